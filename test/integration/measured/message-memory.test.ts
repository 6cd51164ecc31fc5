/**
 * The memory of a proxy whose clients leave large requests half sent, or do not read large responses: it stays within a bound,
 * other clients are served meanwhile, and the memory is given back.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Bystander } from '../../support/bystander.ts';
import { grpcClient } from '../../support/client.ts';
import { encodeRequest } from '../../support/codec.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Exposition } from '../../support/exposition.ts';
import { Sidecar } from '../../support/sidecar.ts';
import { until } from '../../support/until.ts';

const mib = 2 ** 20;
const connections = 100;
/** Beside what the messages take: buffers of reads that wait for the collector, and what the allocator does not give back. */
const growthMibMax = 192;
/** What may remain of the growth once the connections are closed: the allocator of the system keeps some memory. */
const leftRssMibMax = 128;
const leftExternalMibMax = 40;
/** Buffers of zlib are garbage that V8 collects when 64 MiB of external memory have been added since the last collection. */
const leftInflatedMibMax = 80;
/** A large call of another client, while the memory is short. */
const servedWithinMs = 10_000;

const valueBytes = 1_200_000;
const largeKeys = 25;
const rangeAll = encodeRequest('etcdserverpb.KV/Range', {
  key: Buffer.from('large/'),
  range_end: Buffer.from('large0'),
});

function prefixed(message: Buffer, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

let etcd: Etcd;
let sidecar: Sidecar;
let bystander: Bystander;
let sessions: ClientHttp2Session[] = [];

beforeAll(async () => {
  // As in the image: the allocator then gives back more of what is free.
  vi.stubEnv('MALLOC_ARENA_MAX', '1');
  etcd = await startEtcd();
  using client = grpcClient(etcd.address);
  for (let i = 0; i < largeKeys; i++) {
    const key = Buffer.from(`game/large/${i}`);
    await client.call('etcdserverpb.KV/Put', { key, value: Buffer.alloc(valueBytes, i) });
  }
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await etcd?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  sidecar = await Sidecar.start(
    ...[`--endpoints=${etcd.address}`, '--namespace=game/', '--transport=native'],
  );
  bystander = new Bystander(sidecar.address);
  await bystander.unharmed();
});
afterEach(async () => {
  closeSessions();
  await bystander?.[Symbol.asyncDispose]();
  await sidecar?.[Symbol.asyncDispose]();
});

async function metrics(): Promise<Exposition> {
  return new Exposition(await sidecar.page('/metrics'));
}

async function usage(): Promise<{ rssMib: number; externalMib: number }> {
  const found = await metrics();
  return {
    rssMib: found.sum('process_resident_memory_bytes') / mib,
    externalMib: found.sum('nodejs_external_memory_bytes') / mib,
  };
}

/** Follows the memory until it is disposed of. */
class Peak implements AsyncDisposable {
  mib = 0;
  #isStopped = false;
  readonly #over = this.#follow();

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#over;
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped) {
      this.mib = Math.max(this.mib, (await usage()).rssMib);
      await sleep(50);
    }
  }
}

function open(initialWindowSize: number): ClientHttp2Session {
  const session = connect(`http://${sidecar.address}`, {
    settings: { initialWindowSize, enablePush: false },
    maxSessionMemory: 1_000,
  });
  session.on('error', () => {});
  sessions.push(session);
  return session;
}

function closeSessions(): void {
  for (const session of sessions) session.destroy();
  sessions = [];
}

/** Opens a call, sends `bytes` and reads nothing. */
function send(
  session: ClientHttp2Session,
  path: string,
  bytes: Buffer,
  end: boolean,
  more: Readonly<Record<string, string>> = {},
): void {
  const head = { ':method': 'POST', ':path': path, te: 'trailers' };
  const stream = session.request(
    { ...head, 'content-type': 'application/grpc', ...more },
    { endStream: false },
  );
  stream.on('error', () => {});
  if (end) stream.end(bytes);
  else stream.write(bytes);
}

async function largeCallsAreServed(): Promise<void> {
  using client = grpcClient(sidecar.address);
  const value = Buffer.alloc(1_000_000, 1);
  const timeoutMs = servedWithinMs;
  await client.call('etcdserverpb.KV/Put', { key: Buffer.from('mine'), value }, { timeoutMs });
  const range = { key: Buffer.from('mine') };
  const { kvs } = await client.call('etcdserverpb.KV/Range', range, { timeoutMs });
  expect(kvs[0]?.value.length).toBe(value.length);
}

/** Runs `misbehave`, and checks what it costs, that others are served meanwhile, and that nothing is left. */
async function staysBounded(
  misbehave: () => Promise<void>,
  leftMibMax = leftExternalMibMax,
): Promise<void> {
  const before = await usage();
  await using peak = new Peak();
  await misbehave();
  await largeCallsAreServed();
  await bystander.unharmed();
  closeSessions();
  const counted = async () => (await metrics()).sum('etcd_bulkhead_message_memory_bytes');
  await until('end of all messages', async () => (await counted()) === 0, 20_000);
  let left = before;
  await until(
    () => `return of the memory: ${JSON.stringify({ before, left })}`,
    async () => {
      // An idle process may not collect garbage for a long time.
      await largeCallsAreServed();
      left = await usage();
      return (
        left.externalMib < before.externalMib + leftMibMax &&
        left.rssMib < before.rssMib + leftRssMibMax
      );
    },
    20_000,
  );
  expect(peak.mib).toBeLessThan(before.rssMib + growthMibMax);
}

test(`${connections} connections with half-sent requests do not exhaust the memory`, async () => {
  const half = prefixed(Buffer.alloc(1_000_000), 1_900_000);
  await staysBounded(async () => {
    for (let i = 0; i < connections; i++) {
      const session = open(65_535);
      for (let j = 0; j < 40; j++) send(session, '/etcdserverpb.KV/Put', half, false);
      if (i % 10 === 0) await bystander.unharmed();
    }
  });
});

test('4,000 small requests that inflate to 2 MB do not exhaust the memory', async () => {
  const value = Buffer.alloc(1_900_000);
  const put = gzipSync(encodeRequest('etcdserverpb.KV/Put', { key: Buffer.from('k'), value }));
  const compressed = prefixed(put);
  compressed[0] = 1;
  await staysBounded(async () => {
    for (let i = 0; i < connections; i++) {
      const session = open(65_535);
      for (let j = 0; j < 40; j++) {
        send(session, '/etcdserverpb.KV/Put', compressed, false, { 'grpc-encoding': 'gzip' });
      }
      if (i % 10 === 0) await bystander.unharmed();
    }
  }, leftInflatedMibMax);
});

test.each([
  ['does not open its window', 0],
  ['does not open its window further', 65_535],
])('100 answers of 30 MB do not exhaust the memory if each client %s', async (_, windowBytes) => {
  await staysBounded(async () => {
    for (let i = 0; i < connections; i++) {
      send(open(windowBytes), '/etcdserverpb.KV/Range', prefixed(rangeAll), true);
      if (i % 10 === 0) await bystander.unharmed();
    }
  });
});

test('5,000 watches that are not read do not exhaust the memory', async () => {
  const key = Buffer.from('watched');
  const create = prefixed(encodeRequest('etcdserverpb.Watch/Watch', { create_request: { key } }));
  const creates = Buffer.concat(Array.from({ length: 100 }, () => create));
  await staysBounded(async () => {
    for (let i = 0; i < 50; i++) send(open(65_535), '/etcdserverpb.Watch/Watch', creates, false);
    using client = grpcClient(sidecar.address);
    // Without a bound each would wait 5,000 times.
    for (let i = 0; i < 500; i++) {
      await client.call('etcdserverpb.KV/Put', { key, value: Buffer.alloc(10_000, i) });
      if (i % 50 === 0) await bystander.unharmed();
    }
  });
});
