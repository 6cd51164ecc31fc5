/**
 * Two tenants use one cluster at the same time. Each is compared with a model that contains only its own operations.
 */
import { describe, expect, test } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { grpcClient } from '../support/client.ts';
import { startEtcd } from '../support/etcd.ts';
import type { KeyValue, WatchResponse } from '../support/messages.ts';
import { startTestProxy } from '../support/proxy.ts';
import { Seeded, seed } from '../support/seeded.ts';
import type { Stream } from '../support/stream.ts';
import type { Model, ModelEvent } from './model.ts';
import { Program } from './program.ts';
import { toModelEvent } from './watches.ts';

/** Of both together. */
const operations = Number(process.env['OPERATIONS'] ?? 6000);
/** Far more than they take, since the machine may be busy. */
const withinMs = 60_000 + operations * 20;
const namespaces = ['t1/', 't10/'] as const;
/** Keys without a tenant, as close to the tenants' keys as possible. */
const strangers = ['t1', 't1.', 't1/', 't10', 't10.', 't100/a', 't2', '\0', '\xff'];
const zero = Buffer.from('\0');

const nameOf = (namespace: string) => namespace.slice(0, -1);
const latin1 = (bytes: Buffer) => bytes.toString('latin1');

async function eventsOf(
  watch: Stream<object, WatchResponse>,
  count: number,
): Promise<ModelEvent[]> {
  const told: ModelEvent[] = [];
  while (told.length < count) told.push(...(await watch.next()).events.map(toModelEvent));
  return told;
}

/** What the store must hold of a tenant: name, value and lease as etcd itself sees them. */
function rawView(namespace: string, model: Model): string[][] {
  const { leases } = keySpace(Buffer.from(namespace));
  return [...model.stored.values()].map(({ key, value, lease }) => [
    namespace + key,
    value,
    lease === '0' ? '0' : String(leases.stored(Number(lease))),
  ]);
}

describe('two tenants on one cluster', () => {
  test(
    `each sees what it would see alone, and nothing else is touched (SEED=${seed})`,
    async () => {
      await using etcd = await startEtcd();
      await using proxy = await startTestProxy({
        endpoints: [etcd.address],
        tenants: namespaces.map((namespace) => ({ name: nameOf(namespace), namespace })),
      });
      using raw = grpcClient(etcd.address);
      const put = (key: string) =>
        raw.call('etcdserverpb.KV/Put', {
          key: Buffer.from(key, 'latin1'),
          value: Buffer.from('!'),
        });
      for (const key of strangers) await put(key);

      const tenants = namespaces.map((namespace, i) => {
        const client = grpcClient(proxy.address(nameOf(namespace)));
        const program = new Program(client, new Seeded(seed + i), namespace);
        const watch = client.stream('etcdserverpb.Watch/Watch');
        watch.send({ create_request: { key: zero, range_end: zero, prev_kv: true } });
        return { namespace, client, program, watch };
      });
      for (const { watch } of tenants) await watch.next();
      await Promise.all(tenants.map(({ program }) => program.run(operations / namespaces.length)));

      for (const { program, watch } of tenants) {
        const { events } = program.model;
        expect(events.length).toBeGreaterThan(100);
        expect(await eventsOf(watch, events.length)).toEqual(events);
        expect(await watch.drain(100)).toEqual([]);
      }

      const { kvs } = await raw.call('etcdserverpb.KV/Range', { key: zero, range_end: zero });
      const seen = (kv: KeyValue) => [latin1(kv.key), latin1(kv.value), kv.lease];
      const expected = [
        ...strangers.map((key) => [key, '!', '0']),
        ...tenants.flatMap((t) => rawView(t.namespace, t.program.model)),
      ].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
      expect(kvs.map(seen)).toEqual(expected);

      const { leases } = await raw.call('etcdserverpb.Lease/LeaseLeases', {});
      const granted = tenants.flatMap(({ namespace, program }) => {
        const { leases } = keySpace(Buffer.from(namespace));
        return [...program.model.leases.keys()].map((id) => String(leases.stored(id)));
      });
      expect(leases.map(({ ID }) => ID).sort()).toEqual(granted.sort());

      for (const { client, program } of tenants) {
        program[Symbol.dispose]();
        client[Symbol.dispose]();
      }
    },
    withinMs,
  );
});
