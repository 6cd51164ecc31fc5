import { describe, expect, test } from 'vitest';
import type { Call } from '../../../src/call/call.ts';
import { refusal } from '../../../src/call/refusals.ts';
import type { Peer } from '../../../src/grpc/transport.ts';
import { byListener, type IdentitySource, identify } from '../../../src/identity/identify.ts';
import type { Directory } from '../../../src/tenant/directory.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const initial = directoryWith('game-1');

/** The clients of the listener `main` are the tenant's. */
function directoryWith(name: string): Directory {
  return directoryOf({
    tenants: [tenantConfig(name)],
    listeners: [listenerConfig('main', { tenant: name }), listenerConfig('without tenant')],
  });
}

function withPlace(place: NonNullable<Peer['place']>): Call {
  const call = callOf('etcdserverpb.KV/Put');
  return Object.assign(call, { peer: { ...call.peer, place } });
}

function identified(sources: readonly IdentitySource[], directory = { current: initial }) {
  const below = new FakeEtcd<'tenant'>();
  const rejected: string[] = [];
  const connected: (string | undefined)[] = [];
  const layer = identify({
    directory,
    sources,
    onRejected: (_call, reason) => void rejected.push(reason),
    onConnected: ({ tenant: known }) => void connected.push(known?.name),
  });
  const etcd = onBytes(layer(below));
  return { etcd, below, rejected, connected };
}

describe('identify', () => {
  test('gives every call of a listener the tenant of that listener', () => {
    const { etcd, below } = identified([byListener]);
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    expect(below.last.call.tenant).toBe(initial.byName('game-1'));
    below.last.deliver('done');
    below.last.end();
    expect(above.texts).toEqual(['done']);
    const requests = etcd.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
    requests.send(Buffer.from('create'));
    expect(below.last.call.tenant).toBe(initial.byName('game-1'));
    expect(below.last.requests).toHaveLength(1);
  });

  test('counts the connection for the tenant of its first call, once', () => {
    const { etcd, connected } = identified([byListener]);
    const assigned: string[] = [];
    const place = {
      local: '',
      tenant: null as string | null,
      assign(tenant: string) {
        assigned.push(tenant);
        place.tenant = tenant;
        return true;
      },
      pipelined() {},
    };
    for (let i = 0; i < 3; i++) {
      etcd.unary(withPlace(place), Buffer.from('x'), new Caller());
    }
    expect(assigned).toEqual(['game-1']);
    expect(connected).toEqual(['game-1']);
  });

  test('rejects calls on a connection that is too many for its tenant, until it is not', () => {
    const { etcd, below, rejected } = identified([byListener]);
    let hasRoom = false;
    const place = { tenant: null, local: '', assign: () => hasRoom, pipelined() {} };
    const [first, second, third] = [new Caller(), new Caller(), new Caller()];
    etcd.unary(withPlace(place), Buffer.from('x'), first);
    etcd.stream(withPlace(place), second).send(Buffer.from('x'));
    expect([first.status, second.status]).toEqual([
      refusal('connection-limit'),
      refusal('connection-limit'),
    ]);
    expect(below.calls).toEqual([]);
    expect(rejected).toEqual(['connection-limit', 'connection-limit']);
    hasRoom = true;
    etcd.unary(withPlace(place), Buffer.from('x'), third);
    expect(below.calls).toHaveLength(1);
  });

  test('rejects a call without an identity, and does not pass it on', () => {
    const { etcd, below, rejected } = identified([byListener]);
    const above = new Caller();
    const elsewhere = { listener: 'without tenant' };
    etcd.unary(callOf('etcdserverpb.KV/Put', elsewhere), Buffer.from('x'), above).cancel();
    expect(above.status).toBe(refusal('tenant-unknown'));
    const second = new Caller();
    etcd.stream(callOf('etcdserverpb.Watch/Watch', elsewhere), second).send(Buffer.from('x'));
    expect(second.status).toBe(refusal('tenant-unknown'));
    expect(below.calls).toEqual([]);
    expect(rejected).toEqual(['tenant-unknown', 'tenant-unknown']);
  });

  test('lets the clients of an unknown listener retry', () => {
    const { etcd, below } = identified([byListener]);
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'gone' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('tenant-changed'));
    expect(below.calls).toEqual([]);
  });

  test('tries the next identity source only if the first returns null', () => {
    const rejecting: IdentitySource = (call) =>
      call.peer.listener === 'main' ? null : 'method-denied';
    const { etcd, below } = identified([rejecting, byListener]);
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), new Caller());
    expect(below.last.call.tenant).toBe(initial.byName('game-1'));
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put', { listener: 'x' }), Buffer.from('x'), above);
    expect(above.status).toBe(refusal('method-denied'));
  });

  test('a new directory applies to the next call', () => {
    const holder = { current: initial };
    const { etcd, below } = identified([byListener], holder);
    const call = callOf('etcdserverpb.Watch/Watch');
    etcd.stream(call, new Caller());
    const other = directoryWith('game-2');
    holder.current = other;
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
    expect(below.last.call.tenant).toBe(other.byName('game-2'));
    expect(call.tenant).toBe(initial.byName('game-1'));
  });
});
