/**
 * Feeds of several tenants with the same visible ranges, and what a reload makes of a feed whose tenant is removed, renamed or
 * given another namespace while the feed lives. No event reaches a client of another tenant, also if that has the name of the
 * tenant or its namespace afterwards.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import {
  type ConfigObject,
  type ConfiguredProxy,
  load,
  startConfigured,
} from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import type { WatchCreateRequest, WatchRequest, WatchResponse } from '../support/messages.ts';
import type { Stream } from '../support/stream.ts';

type WatchStream = Stream<WatchRequest, WatchResponse>;

const bytes = (text: string) => Buffer.from(text);
const everything = { key: bytes('\0'), range_end: bytes('\0') };
const ended = { code: Code.UNAVAILABLE, details: 'etcdserver: server stopped' };
/** What must not arrive has this long to arrive. */
const silenceMs = 300;

let etcd: Etcd;
let raw: GrpcClient;
let owned: AsyncDisposableStack;
/** Namespaces of one case. */
let a: string;
let b: string;
let cases = 0;

beforeAll(async () => {
  etcd = await startEtcd();
  raw = grpcClient(etcd.address);
});

afterAll(async () => {
  raw[Symbol.dispose]();
  await etcd[Symbol.asyncDispose]();
});

beforeEach(() => {
  cases += 1;
  a = `a${cases}/`;
  b = `b${cases}/`;
  owned = new AsyncDisposableStack();
  return () => owned.disposeAsync();
});

/** A configuration with these tenants, by name. Each has a listener whose address stays the same. */
function configuration(namespaces: Readonly<Record<string, string>>) {
  return {
    endpoints: [etcd.address],
    'share-watches': true,
    'admin-addr': '127.0.0.1:0',
    tenants: Object.entries(namespaces).map(([name, namespace]) => ({ name, namespace })),
    listeners: Object.keys(namespaces).map((name) => ({
      address: `${loopback(name)}:0`,
      tenant: name,
    })),
  };
}

const loopbacks = ['red', 'blue', 'heir'];
const loopback = (name: string) => `127.0.0.${loopbacks.indexOf(name) + 1}`;

async function start(namespaces: Readonly<Record<string, string>>): Promise<ConfiguredProxy> {
  return owned.use(await startConfigured(configuration(namespaces)));
}

/** A reload that is applied. */
async function reload(proxy: ConfiguredProxy, file: ConfigObject): Promise<void> {
  expect((await load(file)).problems).toEqual([]);
  await proxy.reload(file);
}

function connect(proxy: ConfiguredProxy, tenant: string): GrpcClient {
  const host = `${loopback(tenant)}:`;
  const address = proxy.addresses.find((each) => each.startsWith(host));
  if (address === undefined) throw new Error(`no listener of ${tenant}`);
  return owned.use(grpcClient(address));
}

/** Returns the revision. */
async function put(key: string, value: string): Promise<number> {
  const put = { key: bytes(key), value: bytes(value) };
  return Number((await raw.call('etcdserverpb.KV/Put', put)).header?.revision);
}

/** A watch that is created. */
async function watch(client: GrpcClient, create: WatchCreateRequest = {}): Promise<WatchStream> {
  const stream = owned.use(client.stream('etcdserverpb.Watch/Watch'));
  stream.send({ create_request: { ...everything, ...create } });
  expect(await stream.next()).toMatchObject({ created: true, canceled: false });
  return stream;
}

const values = (responses: readonly WatchResponse[]) =>
  responses.flatMap(({ events }) => events.map(({ kv }) => `${kv.key}=${kv.value}`));

/** The next `count` events, and that no other follows. */
async function onlyEvents(stream: WatchStream, count: number): Promise<string[]> {
  const responses: WatchResponse[] = [];
  while (values(responses).length < count) responses.push(await stream.next());
  return values([...responses, ...(await stream.drain(silenceMs))]);
}

async function feeds(proxy: ConfiguredProxy): Promise<number> {
  const page = await (await fetch(`http://${proxy.adminAddress}/metrics`)).text();
  return Number(/^etcd_bulkhead_watch_feeds (\d+)$/m.exec(page)?.[1]);
}

describe('two tenants with the same visible range', () => {
  test('share no feed: neither receives an event or a previous value of the other', async () => {
    const proxy = await start({ red: a, blue: b });
    const [red, blue] = [connect(proxy, 'red'), connect(proxy, 'blue')];
    for (const range of [everything, { key: bytes('k'), range_end: bytes('') }]) {
      for (const prev_kv of [false, true]) {
        const create = { ...range, prev_kv };
        const watches = [await watch(red, create), await watch(blue, create)] as const;
        // Watchers that join a feed that the first of the tenant has opened.
        const joined = [await watch(red, create), await watch(blue, create)] as const;
        for (const [own, foreign, mine, theirs] of [
          [a, b, 0, 1],
          [b, a, 1, 0],
        ] as const) {
          await put(`${own}k`, `of ${own}`);
          await put(`${own}k`, `again of ${own}`);
          const expected = [`k=of ${own}`, `k=again of ${own}`];
          expect(await onlyEvents(watches[mine], 2)).toEqual(expected);
          expect(await onlyEvents(joined[mine], 2)).toEqual(expected);
          expect(await watches[theirs].drain(0), foreign).toEqual([]);
          expect(await joined[theirs].drain(0), foreign).toEqual([]);
        }
      }
    }
    expect(await feeds(proxy)).toBe(8);
  });

  test('share no history: a start in the past of the other finds only own events', async () => {
    const proxy = await start({ red: a, blue: b });
    const [red, blue] = [connect(proxy, 'red'), connect(proxy, 'blue')];
    const first = await put(`${b}k`, 'blue before');
    const live = await watch(red);
    const from = await put(`${a}k`, 'secret 1');
    await put(`${a}k`, 'secret 2');
    expect(await onlyEvents(live, 2)).toEqual(['k=secret 1', 'k=secret 2']);
    // The feed of red has these revisions in its history.
    const fromSecret = await watch(blue, { start_revision: from, prev_kv: true });
    const fromFirst = await watch(blue, { start_revision: first, prev_kv: true });
    const joined = await watch(blue, { start_revision: from, prev_kv: true });
    await put(`${b}k`, 'blue after');
    expect(await onlyEvents(fromSecret, 1)).toEqual(['k=blue after']);
    expect(await onlyEvents(joined, 1)).toEqual(['k=blue after']);
    expect(await onlyEvents(fromFirst, 2)).toEqual(['k=blue before', 'k=blue after']);
    expect(await onlyEvents(live, 0)).toEqual([]);
  });

  test('share no compaction: what one compacts cancels no watch of the other', async () => {
    const proxy = await start({ red: a, blue: b });
    const [red, blue] = [connect(proxy, 'red'), connect(proxy, 'blue')];
    const from = await put(`${b}k`, 'blue 1');
    const revision = await put(`${b}k`, 'blue 2');
    await red.call('etcdserverpb.KV/Compact', { revision });
    expect(await onlyEvents(await watch(blue, { start_revision: from }), 2)).toEqual([
      'k=blue 1',
      'k=blue 2',
    ]);
    const compacted = await watch(red, { start_revision: from });
    expect(await compacted.next()).toMatchObject({
      canceled: true,
      compact_revision: String(revision),
    });
  });
});

describe('a reload while a feed lives', () => {
  test('ends the watches of a tenant that is removed, and a later tenant of its name receives nothing of the feed', async () => {
    const proxy = await start({ red: a, blue: b });
    const before = await watch(connect(proxy, 'red'));
    const from = await put(`${a}k`, 'secret');
    expect(await onlyEvents(before, 1)).toEqual(['k=secret']);
    await reload(proxy, configuration({ blue: b }));
    expect(await before.ended()).toMatchObject(ended);

    const elsewhere = `elsewhere${cases}/`;
    await reload(proxy, configuration({ red: elsewhere, blue: b }));
    const red = connect(proxy, 'red');
    // The feed of the removed tenant still lingers.
    expect(await feeds(proxy)).toBe(1);
    const now = await watch(red);
    const past = await watch(red, { start_revision: from });
    await put(`${a}k`, 'also secret');
    await put(`${elsewhere}k`, 'red again');
    expect(await onlyEvents(now, 1)).toEqual(['k=red again']);
    expect(await onlyEvents(past, 1)).toEqual(['k=red again']);
  });

  test('gives its namespace to another tenant, which joins no feed of the removed one and inherits no compaction', async () => {
    const proxy = await start({ red: a, blue: b });
    const red = connect(proxy, 'red');
    const before = await watch(red);
    const from = await put(`${a}k`, 'before');
    const revision = await put(`${a}k`, 'compacted by red');
    expect(await onlyEvents(before, 2)).toEqual(['k=before', 'k=compacted by red']);
    await red.call('etcdserverpb.KV/Compact', { revision });
    await reload(proxy, configuration({ heir: a, blue: b }));
    expect(await before.ended()).toMatchObject(ended);
    const heir = connect(proxy, 'heir');
    const now = await watch(heir);
    expect(await feeds(proxy)).toBe(2);
    // What is stored in its namespace is its own, as etcd has it.
    const past = await watch(heir, { start_revision: from });
    await put(`${a}k`, 'of the heir');
    expect(await onlyEvents(now, 1)).toEqual(['k=of the heir']);
    expect(await onlyEvents(past, 3)).toEqual(['k=before', 'k=compacted by red', 'k=of the heir']);
    expect(await before.drain(0)).toEqual([]);
  });

  test('exchanges the namespaces of two tenants: each receives the events of its new namespace alone', async () => {
    const proxy = await start({ red: a, blue: b });
    const watches = [await watch(connect(proxy, 'red')), await watch(connect(proxy, 'blue'))];
    const from = await put(`${a}k`, 'a 1');
    await put(`${b}k`, 'b 1');
    for (const each of watches) expect(await onlyEvents(each, 1)).toHaveLength(1);
    await reload(proxy, configuration({ red: b, blue: a }));
    for (const each of watches) expect(await each.ended()).toMatchObject(ended);
    const [red, blue] = [connect(proxy, 'red'), connect(proxy, 'blue')];
    const [redNow, bluePast] = [await watch(red), await watch(blue, { start_revision: from })];
    await put(`${a}k`, 'a 2');
    await put(`${b}k`, 'b 2');
    expect(await onlyEvents(redNow, 1)).toEqual(['k=b 2']);
    expect(await onlyEvents(bluePast, 2)).toEqual(['k=a 1', 'k=a 2']);
  });

  test('with a drain window: the old watch of a name keeps to the old namespace, the new one to the new', async () => {
    const proxy = await start({ red: a, blue: b });
    const client = connect(proxy, 'red');
    // Streams end spread over the window, so some are open for a while.
    const old = await Promise.all(Array.from({ length: 50 }, () => watch(client)));
    const elsewhere = `elsewhere${cases}/`;
    const drainTimes = { 'drain-window': '3s', 'max-drain': '4s' };
    await reload(proxy, { ...configuration({ red: elsewhere, blue: b }), ...drainTimes });
    const moved = await watch(connect(proxy, 'red'));
    await put(`${elsewhere}k`, 'new');
    await put(`${a}k`, 'old');
    expect(await onlyEvents(moved, 1)).toEqual(['k=new']);
    for (const each of old) expect(await each.ended()).toMatchObject(ended);
    const received = await Promise.all(old.map(async (each) => values(await each.drain(0))));
    expect(received.flat().filter((event) => event !== 'k=old')).toEqual([]);
    expect(received.flat().length).toBeGreaterThan(0);
  });

  test('that keeps the keys of a tenant keeps its feeds', async () => {
    const proxy = await start({ red: a, blue: b });
    const first = await watch(connect(proxy, 'red'));
    const from = await put(`${a}k`, '1');
    expect(await onlyEvents(first, 1)).toEqual(['k=1']);
    await reload(proxy, { ...configuration({ red: a, blue: b }), 'read-only': true });
    expect(await first.ended()).toMatchObject(ended);
    const resumed = await watch(connect(proxy, 'red'), { start_revision: from + 1 });
    await put(`${a}k`, '2');
    expect(await onlyEvents(resumed, 1)).toEqual(['k=2']);
    expect(await feeds(proxy)).toBe(1);
  });
});
