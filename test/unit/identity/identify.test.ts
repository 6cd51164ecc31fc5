import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { byListener, identify, type Resolver } from '../../../src/identity/identify.ts';
import type { Directory } from '../../../src/tenant/directory.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const known = knowing('game-1');

/** Whose clients come by the listener `main`. */
function knowing(name: string): Directory {
  return directoryOf({
    tenants: [tenantConfig(name)],
    listeners: [listenerConfig('main', { tenant: name }), listenerConfig('for nobody')],
  });
}

function identified(resolvers: readonly Resolver[], directory = { current: known }) {
  const below = new FakeEtcd<'tenant'>();
  const refused: string[] = [];
  const layer = identify({
    directory,
    resolvers,
    onUnidentified: (_call, why) => void refused.push(why),
  });
  const etcd = onBytes(layer(below));
  return { etcd, below, refused };
}

describe('identify', () => {
  test('gives every call of a listener the tenant of that listener', () => {
    const { etcd, below } = identified([byListener]);
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    below.last.deliver('done');
    below.last.end();
    expect(above.texts).toEqual(['done']);
    const requests = etcd.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
    requests.send(Buffer.from('create'));
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    expect(below.last.requests).toHaveLength(1);
  });

  test('refuses who is nobody, and nothing below hears of it', () => {
    const { etcd, below, refused } = identified([byListener]);
    const above = new Caller();
    const elsewhere = { listener: 'for nobody' };
    etcd.unary(callOf('etcdserverpb.KV/Put', elsewhere), Buffer.from('x'), above).cancel();
    expect(above.status).toBe(refusal('tenant-unknown'));
    const second = new Caller();
    etcd.stream(callOf('etcdserverpb.Watch/Watch', elsewhere), second).send(Buffer.from('x'));
    expect(second.status).toBe(refusal('tenant-unknown'));
    expect(below.calls).toEqual([]);
    expect(refused).toEqual(['tenant-unknown', 'tenant-unknown']);
  });

  test('has clients of a listener that is going away come again', () => {
    const { etcd, below } = identified([byListener]);
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'gone' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('tenant-changed'));
    expect(below.calls).toEqual([]);
  });

  test('asks further ways only where the first has nothing to say', () => {
    const bad: Resolver = (call) => (call.peer.listener === 'main' ? null : 'method-denied');
    const { etcd, below } = identified([bad, byListener]);
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), new Caller());
    expect(below.last.call.tenant).toBe(known.byName('game-1'));
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'x' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('method-denied'));
  });

  test('a new directory is in force from the next call on', () => {
    const holder = { current: known };
    const { etcd, below } = identified([byListener], holder);
    const call = callOf('etcdserverpb.Watch/Watch');
    etcd.stream(call, new Caller());
    const other = knowing('game-2');
    holder.current = other;
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
    expect(below.last.call.tenant).toBe(other.byName('game-2'));
    expect(call.tenant).toBe(known.byName('game-1'));
  });
});
