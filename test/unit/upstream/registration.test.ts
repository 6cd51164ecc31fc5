/** When the proxy writes its keys, and which failures it reports. An etcd in memory responds. */
import { beforeEach, expect, test } from 'vitest';
import { status } from '../../../src/grpc/status.ts';
import { Registration } from '../../../src/upstream/registration.ts';
import { encodeEntry } from '../../../src/upstream/registry-entry.ts';
import { decodeRequest, encodeResponse } from '../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const address = 'http://10.0.0.1:2379';

class World {
  readonly clock = new ManualClock();
  readonly keys = new Map<string, string>();
  readonly states: string[] = [];
  puts = 0;
  /** What the upstream has for calls of the keepalive stream. */
  lease: 'ready' | 'dialing' | 'none' = 'ready';
  registration: Registration | null = null;
  readonly etcd = Object.assign(new FakeEtcd<'store'>(), {
    isDialing: ({ name }: { readonly name: string }) =>
      name === 'etcdserverpb.Lease/LeaseKeepAlive' && this.lease === 'dialing',
  });

  constructor() {
    // The request of a stream follows when the call has been started.
    this.etcd.onCall = (call) => queueMicrotask(() => this.#respond(call));
  }

  start(own: readonly string[] = [address]): void {
    this.registration = new Registration(
      { prefix: 'p', ttlSeconds: 15 },
      {
        ...{ upstream: this.etcd, clock: this.clock },
        random: { integer: (min, max) => Math.floor((min + max) / 2) },
        own: own.map((each) => ({ name: 'host', address: each })),
        onState: (failure) => this.states.push(failure),
      },
    );
  }

  /** In steps, because a timer is set only after the work of the one before. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      for (let i = 0; i < 100; i += 1) await Promise.resolve();
    }
  }

  #respond(call: EtcdCall<'store'>): void {
    const isRenewal = call.call.method.name === 'etcdserverpb.Lease/LeaseKeepAlive';
    if (isRenewal && this.lease !== 'ready') {
      call.end(status(14, 'no endpoint is available', 'unsent'));
    } else {
      call.respond(this.#responseTo(call));
    }
  }

  #responseTo({ call, request }: EtcdCall<'store'>): Uint8Array {
    const { name } = call.method;
    switch (name) {
      case 'etcdserverpb.KV/Range': {
        const limit = Number(decodeRequest(name, request).limit);
        const kvs = [...this.keys]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => ({ key: Buffer.from(key), value: Buffer.from(value) }));
        return encodeResponse(name, { kvs: kvs.slice(0, limit), more: kvs.length > limit });
      }
      case 'etcdserverpb.KV/Put': {
        const { key, value } = decodeRequest(name, request);
        this.puts += 1;
        this.keys.set(Buffer.from(key).toString(), Buffer.from(value).toString());
        return encodeResponse(name, {});
      }
      case 'etcdserverpb.Lease/LeaseGrant':
      case 'etcdserverpb.Lease/LeaseKeepAlive':
        return encodeResponse(name, { ID: '7', TTL: '15' });
      default:
        throw new Error(`${name} was not expected`);
    }
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

test('the keys are written once, and again when one is missing', async () => {
  world.start();
  await world.pass(60_000);
  expect([world.puts, [...world.keys.keys()]]).toEqual([1, [`p/${address}`]]);
  world.keys.clear();
  await world.pass(6_000);
  expect([world.puts, [...world.keys.keys()]]).toEqual([2, [`p/${address}`]]);
  expect(world.states).toEqual(['']);
});

test('an address that other proxies ignore is not written again and again', async () => {
  world.start(['https://lb.example.com', address]);
  await world.pass(60_000);
  expect(world.puts).toBe(2);
});

test('a key beyond the number of proxies that are read is not written again and again', async () => {
  for (let i = 0; i < 200; i += 1) {
    const other = `a${i}:1`;
    world.keys.set(`p/${other}`, encodeEntry({ name: 'other', address: other }));
  }
  world.start();
  await world.pass(60_000);
  expect([world.puts, world.registration?.proxies.length]).toEqual([1, 128]);
});

test('nothing is asked in the first moment, before the endpoints are connected', async () => {
  world.start();
  await world.pass(500);
  expect(world.etcd.calls).toEqual([]);
});

test('a renewal that waits for its first connection is not a failure', async () => {
  world.start();
  world.lease = 'dialing';
  await world.pass(10_000);
  expect(world.states).toEqual(['']);
  world.lease = 'ready';
  await world.pass(10_000);
  expect(world.states).toEqual(['']);
  world.lease = 'none';
  await world.pass(10_000);
  expect(world.states).toEqual(['', 'no endpoint is available']);
});
