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
    resolvers: [() => verified.promise],
    onUnidentified: null,
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
  test('goes on when it was, with everything its client did meanwhile', async () => {
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

  test('asks its client to wait with more than is kept', async () => {
    const { below, etcd, above, resolve } = start();
    const stream = etcd.stream(callOf('etcdserverpb.Watch/Watch'), above);
    stream.send(Buffer.alloc(65_537));
    expect(above.isPaused).toBe(true);
    await resolve();
    expect(above.isPaused).toBe(false);
    stream.send(Buffer.from('more'));
    expect(below.last.requests).toHaveLength(2);
  });

  test('that was cancelled meanwhile never gets further', async () => {
    const { below, etcd, above, resolve } = start();
    etcd.stream(callOf('etcdserverpb.Watch/Watch'), above).cancel();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above).cancel();
    await resolve();
    expect(below.calls).toEqual([]);
  });

  test('is refused when a reload has changed its tenant meanwhile', async () => {
    const { holder, below, etcd, above, resolve } = start();
    etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    const access = 'read-only';
    holder.current = directoryOf({ tenants: [tenantConfig('red', 'red/', { access })] });
    await resolve();
    expect(above.status).toBe(refusal('tenant-changed'));
    expect(below.calls).toEqual([]);
  });

  test('passes on a cancel that comes later', async () => {
    const { below, etcd, above, resolve } = start();
    const ongoing = etcd.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), above);
    await resolve();
    ongoing.cancel();
    expect(below.last.isCancelled).toBe(true);
  });
});
