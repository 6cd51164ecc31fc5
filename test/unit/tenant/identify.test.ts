import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/etcd/errors.ts';
import { Directory } from '../../../src/tenant/directory.ts';
import { byListener, identify, type Resolver } from '../../../src/tenant/identify.ts';
import { CallerAbove, callOf, EtcdBelow, someTenant } from '../../support/neighbours.ts';

const tenant = someTenant();
const known = new Directory([tenant], new Map([['here', tenant]]));

function identified(resolvers: readonly Resolver[], directory = { current: known }) {
  const below = new EtcdBelow<'tenant'>();
  const refused: string[] = [];
  const etcd = identify({
    directory,
    resolvers,
    onUnidentified: (_call, why) => void refused.push(why),
  })(below);
  return { etcd, below, refused };
}

describe('identify', () => {
  test('gives every call of a listener the tenant of that listener', () => {
    const { etcd, below } = identified([byListener]);
    const above = new CallerAbove<'client'>();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    expect(below.last.call.tenant).toBe(tenant);
    below.last.answer('done');
    below.last.finish();
    expect(above.messages).toEqual(['done']);
    const requests = etcd.stream(callOf('etcdserverpb.Watch/Watch'), new CallerAbove<'client'>());
    requests.message(Buffer.from('create'));
    expect(below.last.call.tenant).toBe(tenant);
    expect(below.last.requests).toHaveLength(1);
  });

  test('refuses who is nobody, and nothing below hears of it', () => {
    const { etcd, below, refused } = identified([byListener]);
    const above = new CallerAbove<'client'>();
    const elsewhere = { listener: 'elsewhere' };
    etcd.unary(callOf('etcdserverpb.KV/Put', elsewhere), Buffer.from('x'), above).cancel();
    expect(above.status).toBe(refusal('tenant-unknown'));
    const second = new CallerAbove<'client'>();
    etcd.stream(callOf('etcdserverpb.Watch/Watch', elsewhere), second).message(Buffer.from('x'));
    expect(second.status).toBe(refusal('tenant-unknown'));
    expect(below.attempts).toEqual([]);
    expect(refused).toEqual(['tenant-unknown', 'tenant-unknown']);
  });

  test('asks further ways only where the first has nothing to say', () => {
    const bad: Resolver = (call) => (call.peer.listener === 'here' ? null : 'method-denied');
    const { etcd, below } = identified([bad, byListener]);
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), new CallerAbove<'client'>());
    expect(below.last.call.tenant).toBe(tenant);
    const above = new CallerAbove<'client'>();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'x' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('method-denied'));
  });

  test('a new directory is in force from the next call on', () => {
    const holder = { current: known };
    const { etcd, below } = identified([byListener], holder);
    const call = callOf('etcdserverpb.Watch/Watch');
    etcd.stream(call, new CallerAbove<'client'>());
    const other = someTenant('game-2');
    holder.current = new Directory([other], new Map([['here', other]]));
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), new CallerAbove<'client'>());
    expect(below.last.call.tenant).toBe(other);
    expect(call.tenant).toBe(tenant);
  });
});
