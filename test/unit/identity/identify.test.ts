import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import type { Directory } from '../../../src/tenant/directory.ts';
import { byListener, identify, type IdentitySource } from '../../../src/identity/identify.ts';
import { CallerAbove, callOf, EtcdBelow } from '../../support/neighbours.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';

const known = knowing('game-1');

/** Whose clients come by the listener `here`. */
function knowing(name: string): Directory {
  return directoryOf({
    tenants: [tenantConfig(name)],
    listeners: [listenerConfig('here', { tenant: name }), listenerConfig('for nobody')],
  });
}

function identified(sources: readonly IdentitySource[], directory = { current: known }) {
  const below = new EtcdBelow<'tenant'>();
  const rejected: string[] = [];
  const etcd = identify({
    directory,
    sources,
    onRejected: (_call, reason) => void rejected.push(reason),
  })(below);
  return { etcd, below, rejected };
}

describe('identify', () => {
  test('gives every call of a listener the tenant of that listener', () => {
    const { etcd, below } = identified([byListener]);
    const above = new CallerAbove<'client'>();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    below.last.answer('done');
    below.last.finish();
    expect(above.messages).toEqual(['done']);
    const requests = etcd.stream(callOf('etcdserverpb.Watch/Watch'), new CallerAbove<'client'>());
    requests.send(Buffer.from('create'));
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    expect(below.last.requests).toHaveLength(1);
  });

  test('refuses who is nobody, and nothing below hears of it', () => {
    const { etcd, below, rejected } = identified([byListener]);
    const above = new CallerAbove<'client'>();
    const elsewhere = { listener: 'for nobody' };
    etcd.unary(callOf('etcdserverpb.KV/Put', elsewhere), Buffer.from('x'), above).cancel();
    expect(above.status).toBe(refusal('tenant-unknown'));
    const second = new CallerAbove<'client'>();
    etcd.stream(callOf('etcdserverpb.Watch/Watch', elsewhere), second).send(Buffer.from('x'));
    expect(second.status).toBe(refusal('tenant-unknown'));
    expect(below.attempts).toEqual([]);
    expect(rejected).toEqual(['tenant-unknown', 'tenant-unknown']);
  });

  test('has clients of a listener that is going away come again', () => {
    const { etcd, below } = identified([byListener]);
    const above = new CallerAbove<'client'>();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'gone' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('tenant-changed'));
    expect(below.attempts).toEqual([]);
  });

  test('asks further ways only where the first has nothing to say', () => {
    const bad: IdentitySource = (call) => (call.peer.listener === 'here' ? null : 'method-denied');
    const { etcd, below } = identified([bad, byListener]);
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), new CallerAbove<'client'>());
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    const above = new CallerAbove<'client'>();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'x' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('method-denied'));
  });

  test('a new directory is in force from the next call on', () => {
    const holder = { current: known };
    const { etcd, below } = identified([byListener], holder);
    const call = callOf('etcdserverpb.Watch/Watch');
    etcd.stream(call, new CallerAbove<'client'>());
    const other = knowing('game-2');
    holder.current = other;
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), new CallerAbove<'client'>());
    expect(below.last.call.tenant).toBe(other.byName('game-2'));
    expect(call.tenant).toBe(known.byName('game-1'));
  });
});
