import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { identify } from '../../../src/identity/identify.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { directoryOf, tenantConfig } from '../../support/tenancy.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

function start() {
  const holder = { current: directoryOf({ tenants: [tenantConfig('red')] }) };
  const verified = Promise.withResolvers<Tenant>();
  const below = new FakeEtcd<'tenant'>();
  const layer = identify({
    directory: holder,
    sources: [() => verified.promise],
    onRejected: null,
    onConnected: null,
  });
  const etcd = onBytes(layer(below));
  const red = holder.current.byName('red') as Tenant;
  const resolve = async () => {
    verified.resolve(red);
    await turn();
  };
  return { holder, below, etcd, resolve, above: new Caller() };
}

describe('a call whose token is being verified', () => {
  test('starts after the verification, with everything that its client has done until then', async () => {
    const { below, etcd, above, resolve } = start();
    const stream = etcd.stream(callOf('etcdserverpb.Watch/Watch'), above);
    stream.send(Buffer.from('one'));
    stream.send(Buffer.from('two'));
    stream.pauseResponses();
    stream.halfClose();
    expect(below.calls).toEqual([]);
    await resolve();
    expect(below.last.requests.map(String)).toEqual(['one', 'two']);
    expect([below.last.isPaused, below.last.isHalfClosed]).toEqual([true, true]);
    expect(below.last.call.tenant?.name).toBe('red');
    stream.resumeResponses();
    expect(below.last.isPaused).toBe(false);
    below.last.deliver('event');
    expect(above.texts).toEqual(['event']);
  });

  test('pauses its client beyond a bounded number of bytes', async () => {
    const { below, etcd, above, resolve } = start();
    const stream = etcd.stream(callOf('etcdserverpb.Watch/Watch'), above);
    stream.send(Buffer.alloc(65_537));
    expect(above.isPaused).toBe(true);
    await resolve();
    expect(above.isPaused).toBe(false);
    stream.send(Buffer.from('more'));
    expect(below.last.requests).toHaveLength(2);
  });

  test('stays paused if the layer below pauses while the queue is sent', async () => {
    const { below, etcd, above, resolve } = start();
    below.onCall = (call) => {
      const send = call.send.bind(call);
      call.send = (message) => {
        send(message);
        call.pauseRequests();
      };
    };
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), above).send(Buffer.alloc(65_537));
    await resolve();
    expect(above.isPaused).toBe(true);
  });

  test('of a unary method is paused below if its client has paused it', async () => {
    const { below, etcd, above, resolve } = start();
    const handle = etcd.unary(callOf('etcdserverpb.KV/Range'), Buffer.from('x'), above);
    handle.pauseResponses();
    await resolve();
    expect(below.last.isPaused).toBe(true);
    handle.resumeResponses();
    expect(below.last.isPaused).toBe(false);
  });

  test('does not start if its client has cancelled it', async () => {
    const { below, etcd, above, resolve } = start();
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), above).cancel();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above).cancel();
    await resolve();
    expect(below.calls).toEqual([]);
  });

  test('is rejected if a reload has changed its tenant during the verification', async () => {
    const { holder, below, etcd, above, resolve } = start();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    const access = 'read-only';
    holder.current = directoryOf({ tenants: [tenantConfig('red', 'red/', { access })] });
    await resolve();
    expect(above.status).toBe(refusal('tenant-changed'));
    expect(below.calls).toEqual([]);
  });

  test('passes a later cancel on', async () => {
    const { below, etcd, above, resolve } = start();
    const handle = etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    await resolve();
    handle.cancel();
    expect(below.last.isCancelled).toBe(true);
  });
});
