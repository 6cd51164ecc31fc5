/**
 * A load program: puts of stamped values, at a rate or as many as possible. At most one put per key is in flight, because
 * etcd may apply calls of different streams in any order.
 */
import { putRequest } from '../messages.ts';
import { Http2Client } from './http2-client.ts';
import { serve } from './program.ts';
import { indexedKey, stampedValue } from './stamped-value.ts';

const putPath = '/etcdserverpb.KV/Put';

export interface Written {
  /** The last sequence number of every key, over the life of the program. */
  readonly final: readonly number[];
  readonly puts: number;
  readonly elapsedMs: number;
  /** Bytes of the responses to these puts. */
  readonly responseBytes: number;
}

export interface PutPlan {
  readonly port: number;
  readonly connections: number;
  readonly keyPrefix: string;
  readonly keys: number;
  readonly valueBytes: number;
}

export type PutCommands = {
  connect: (plan: PutPlan) => Promise<void>;
  /** Puts at a steady rate. A put whose key is still in flight is late and not dropped. */
  paced: (load: { perSecond: number; count: number }) => Promise<Written>;
  /** Keeps a put of every key in flight. */
  saturate: (load: { ms: number }) => Promise<Written>;
};

let plan: PutPlan = { port: 0, connections: 0, keyPrefix: '', keys: 0, valueBytes: 0 };
let clients: Http2Client[] = [];
let final: number[] = [];

function receivedBytes(): number {
  return clients.reduce((sum, client) => sum + client.receivedBytes, 0);
}

async function put(key: number): Promise<void> {
  const sequence = (final[key] ?? 0) + 1;
  final[key] = sequence;
  const value = stampedValue(plan.valueBytes, sequence);
  const client = clients[key % clients.length];
  await client?.unary(putPath, putRequest(indexedKey(plan.keyPrefix, key), value));
}

async function written(run: () => Promise<number>): Promise<Written> {
  const startedMs = performance.now();
  const bytesBefore = receivedBytes();
  const puts = await run();
  const elapsedMs = performance.now() - startedMs;
  return { final, puts, elapsedMs, responseBytes: receivedBytes() - bytesBefore };
}

function sleepUntil(atMs: number): Promise<void> {
  const delayMs = atMs - performance.now();
  if (delayMs <= 0) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** One put per tick, each key in turn. A key's next put waits for its previous one. */
async function pace(perSecond: number, count: number): Promise<number> {
  const inFlight: Promise<void>[] = Array.from({ length: plan.keys }, () => Promise.resolve());
  const startMs = performance.now();
  for (let i = 0; i < count; i += 1) {
    await sleepUntil(startMs + (i * 1000) / perSecond);
    const key = i % plan.keys;
    await inFlight[key];
    inFlight[key] = put(key);
  }
  await Promise.all(inFlight);
  return count;
}

async function fill(ms: number): Promise<number> {
  const untilMs = performance.now() + ms;
  let puts = 0;
  const lanes = Array.from({ length: plan.keys }, async (_, key) => {
    while (performance.now() < untilMs) {
      await put(key);
      puts += 1;
    }
  });
  await Promise.all(lanes);
  return puts;
}

serve({
  async connect(given) {
    plan = given;
    clients = Array.from({ length: plan.connections }, () => new Http2Client(plan.port));
    final = Array.from({ length: plan.keys }, () => 0);
    await Promise.all(clients.map(({ ready }) => ready));
  },
  paced: ({ perSecond, count }) => written(() => pace(perSecond, count)),
  saturate: ({ ms }) => written(() => fill(ms)),
} satisfies PutCommands);
