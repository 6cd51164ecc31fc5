/** The npm package etcd3, as any program of a tenant uses it, through the proxy. It is not told that there is one. */
import { once } from 'node:events';
import { Etcd3, EtcdLockFailedError, type IOptions, type Watcher } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { startTestProxy, type TestProxy } from '../../support/proxy.ts';
import { Relay } from '../../support/relay.ts';
import { until } from '../../support/until.ts';

const tenants = [
  { name: 'red', namespace: 'red/' },
  { name: 'blue', namespace: 'blue/' },
] as const;

let etcd: Etcd;
let proxy: TestProxy;

beforeAll(async () => {
  etcd = await startEtcd();
  proxy = await startTestProxy({ endpoints: [etcd.address], tenants });
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

interface OwnedClient extends Disposable {
  readonly client: Etcd3;
}

function connectTo(address: string, options: Partial<IOptions> = {}): OwnedClient {
  const client = new Etcd3({ hosts: `http://${address}`, ...options });
  return { client, [Symbol.dispose]: () => client.close() };
}

function connect(tenant: 'red' | 'blue'): OwnedClient {
  return connectTo(proxy.address(tenant));
}

/** Every key that etcd itself holds below `prefix`. */
async function storedKeys(prefix: string): Promise<string[]> {
  using raw = grpcClient(etcd.address);
  const key = Buffer.from(prefix);
  const range_end = Buffer.from(key);
  range_end[range_end.length - 1] = (range_end.at(-1) ?? 0) + 1;
  const { kvs } = await raw.call('etcdserverpb.KV/Range', { key, range_end });
  return kvs.map((kv) => kv.key.toString());
}

/** `type key=value` of each event, as they come. */
function eventsOf(watcher: Watcher): string[] {
  const told: string[] = [];
  watcher.on('put', ({ key, value }) => told.push(`put ${key}=${value}`));
  watcher.on('delete', ({ key }) => told.push(`delete ${key}`));
  return told;
}

describe('keys', () => {
  test('what is put is read back, alone and by prefix, and is gone after a delete', async () => {
    using red = connect('red');
    const { client } = red;
    await client.put('kv/a').value('1');
    await client.put('kv/b').value(Buffer.from([0, 255]));
    expect(await client.get('kv/a').string()).toBe('1');
    expect(await client.get('kv/b').buffer()).toEqual(Buffer.from([0, 255]));
    expect(await client.getAll().prefix('kv/').keys()).toEqual(['kv/a', 'kv/b']);
    expect(await client.getAll().prefix('kv/').sort('Key', 'Descend').limit(1).keys()).toEqual([
      'kv/b',
    ]);
    expect(await client.getAll().prefix('kv/').count()).toBe(2);
    expect(await client.put('kv/a').value('2').getPrevious()).toMatchObject({
      value: Buffer.from('1'),
    });
    expect(await client.delete().key('kv/a').getPrevious()).toMatchObject([
      { key: Buffer.from('kv/a'), value: Buffer.from('2') },
    ]);
    expect(await client.get('kv/a').string()).toBeNull();
    expect((await client.delete().prefix('kv/')).deleted).toBe('1');
  });

  test("the package's own namespaces stand on top of the tenant's", async () => {
    using red = connect('red');
    const outer = red.client.namespace('outer/');
    await outer.namespace('inner/').put('k').value('v');
    expect(await outer.getAll().strings()).toEqual({ 'inner/k': 'v' });
    expect(await red.client.get('outer/inner/k').string()).toBe('v');
    expect(await storedKeys('red/outer/')).toEqual(['red/outer/inner/k']);
    expect((await outer.delete().all()).deleted).toBe('1');
  });

  test('one tenant neither sees nor deletes what is the other’s', async () => {
    using red = connect('red');
    using blue = connect('blue');
    await red.client.put('apart').value('red');
    await blue.client.put('apart').value('blue');
    expect(await red.client.getAll().prefix('apart').strings()).toEqual({ apart: 'red' });
    await blue.client.delete().all();
    expect(await blue.client.getAll().keys()).toEqual([]);
    expect(await red.client.get('apart').string()).toBe('red');
    await red.client.delete().all();
    expect(await storedKeys('red/')).toEqual([]);
  });
});

describe('transactions', () => {
  test('compare and swap succeeds once', async () => {
    using red = connect('red');
    const { client } = red;
    await client.put('txn').value('old');
    const swap = () =>
      client
        .if('txn', 'Value', '==', 'old')
        .then(client.put('txn').value('new'), client.get('txn'))
        .else(client.get('txn'))
        .commit();
    expect(await swap()).toMatchObject({ succeeded: true });
    const second = await swap();
    expect(second.succeeded).toBe(false);
    expect(second.responses[0]?.response_range.kvs[0]).toMatchObject({
      key: Buffer.from('txn'),
      value: Buffer.from('new'),
    });
    await client.delete().key('txn');
  });

  test('its software transactional memory counts right under contention', async () => {
    using red = connect('red');
    const { client } = red;
    await client.put('counter').value('0');
    const add = () =>
      client.stm({ retries: 50 }).transact(async (stm) => {
        const count = await stm.get('counter').number();
        await stm.put('counter').value(String((count ?? 0) + 1));
      });
    await Promise.all(Array.from({ length: 8 }, add));
    expect(await client.get('counter').number()).toBe(8);
    await client.delete().key('counter');
  });
});

describe('watches', () => {
  test('a watcher of a prefix receives the puts and deletes of its tenant, in order, and no others', async () => {
    using red = connect('red');
    using blue = connect('blue');
    const watcher = await red.client.watch().prefix('watch/').create();
    const told = eventsOf(watcher);
    await blue.client.put('watch/k').value('blue');
    await red.client.put('other').value('x');
    await red.client.put('watch/k').value('1');
    await red.client.put('watch/k').value('2');
    await red.client.delete().key('watch/k');
    await until('events', () => told.length >= 3);
    expect(told).toEqual(['put watch/k=1', 'put watch/k=2', 'delete watch/k']);
    await watcher.cancel();
    await red.client.delete().all();
    await blue.client.delete().all();
  });

  test('several watchers of one client are kept apart', async () => {
    using red = connect('red');
    const watchers = await Promise.all(
      ['a', 'b', 'c'].map((key) => red.client.watch().key(key).create()),
    );
    const told = watchers.map(eventsOf);
    await watchers[1]?.cancel();
    for (const key of ['a', 'b', 'c']) await red.client.put(key).value(key);
    await until('events', () => told[0]?.length === 1 && told[2]?.length === 1);
    expect(told).toEqual([['put a=a'], [], ['put c=c']]);
    await red.client.delete().all();
  });

  test('after its connection broke a watcher goes on where it was: nothing lost, nothing twice', async () => {
    await using relay = await Relay.to(proxy.address('red'));
    using owned = connectTo(relay.address);
    using red = connect('red');
    const watcher = await owned.client.watch().prefix('again/').create();
    const told = eventsOf(watcher);
    await red.client.put('again/1').value('before');
    await until('the first event', () => told.length === 1);
    const isDisconnected = once(watcher, 'disconnected');
    const isConnected = once(watcher, 'connected');
    relay.cut();
    await isDisconnected;
    await red.client.put('again/2').value('meanwhile');
    await isConnected;
    await red.client.put('again/3').value('after');
    await until('all events', () => told.length >= 3);
    expect(told).toEqual(['put again/1=before', 'put again/2=meanwhile', 'put again/3=after']);
    await red.client.delete().all();
  });
});

describe('leases', () => {
  test('a lease lives while it is kept alive, and its keys go when it is revoked', async () => {
    using red = connect('red');
    const lease = red.client.lease(1);
    await lease.put('leased').value('v');
    let renewals = 0;
    let isLost = false;
    lease.on('keepaliveSucceeded', () => {
      renewals += 1;
    });
    lease.on('lost', () => {
      isLost = true;
    });
    const leaseId = await lease.grant();
    expect(Number(leaseId)).toBeLessThan(2 ** 31);
    // Three renewals per second of life: more than two lives.
    await until('renewals', () => renewals >= 7);
    expect(isLost).toBe(false);
    expect(await red.client.get('leased').string()).toBe('v');
    await lease.revoke();
    expect(await red.client.get('leased').string()).toBeNull();
  });

  test('a lease that is not kept alive ends with its keys', async () => {
    using red = connect('red');
    const lease = red.client.lease(1, { autoKeepAlive: false });
    await lease.put('mayfly').value('v');
    await until('the end', async () => (await red.client.get('mayfly').string()) === null);
  });
});

describe('recipes', () => {
  test('a lock is held by one client of a tenant at a time, and by one of each tenant', async () => {
    using red = connect('red');
    using rival = connect('red');
    using blue = connect('blue');
    const lock = await red.client.lock('resource').acquire();
    await expect(rival.client.lock('resource').acquire()).rejects.toThrow(EtcdLockFailedError);
    expect(await blue.client.lock('resource').do(() => 'mine')).toBe('mine');
    await lock.release();
    expect(await rival.client.lock('resource').do(() => 'at last')).toBe('at last');
  });

  test('an election has one leader, and the next one when it resigns', async () => {
    using red = connect('red');
    using blue = connect('blue');
    const election = red.client.election('boss', 5);
    const first = election.campaign('first');
    await first.wait();
    const observer = await election.observe();
    await until('a leader', () => observer.leader() === 'first');

    const second = election.campaign('second');
    let isSecondElected = false;
    second.on('elected', () => {
      isSecondElected = true;
    });
    // Another tenant's election of the same name is another election.
    const stranger = blue.client.election('boss', 5).campaign('stranger');
    await stranger.wait();
    expect(isSecondElected).toBe(false);
    expect(observer.leader()).toBe('first');

    await first.proclaim('still first');
    await until('the proclamation', () => observer.leader() === 'still first');
    await first.resign();
    await until('the second', () => isSecondElected && observer.leader() === 'second');
    await observer.cancel();
    await second.resign();
    await stranger.resign();
    expect(await storedKeys('red/')).toEqual([]);
  });
});
