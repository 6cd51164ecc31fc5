/**
 * Mixed load by every kind of client. Each worker follows its own seeded sequence of operations, on connections that
 * it opens and drops on the way. An expected success that fails is a complaint, and so is a response that cannot be
 * right. A call that is cancelled, cut off or too late may end in any way.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, Refused } from '../support/client.ts';
import { encodeRequest } from '../support/codec.ts';
import { FrameClient } from '../support/frame-client.ts';
import { Seeded } from '../support/seeded.ts';

const keysPerWorker = 50;
const largeValueBytes = 1_000_000;
const operationsPerConnection = 200;
const patienceMs = 30_000;
/** Between operations: the load is to be mixed, not to be a benchmark. */
const pauseMs = 5;

type Operation = (worker: Worker) => Promise<void>;

/** How often each operation is drawn. */
const operations: readonly (readonly [number, string, Operation])[] = [
  [20, 'put', (worker) => worker.put(200)],
  [15, 'get', (worker) => worker.get()],
  [8, 'txn', (worker) => worker.txn()],
  [10, 'watch', (worker) => worker.watch()],
  [10, 'keepalive once', (worker) => worker.keepAliveOnce()],
  [10, 'cancelled calls', (worker) => worker.cancelled()],
  [6, 'deadlines', (worker) => worker.deadlines()],
  [2, 'large value', (worker) => worker.large()],
  [4, 'dropped connection', (worker) => worker.dropped()],
];
const drawn = operations.flatMap((each) => Array.from({ length: each[0] }, () => each));

export class Load {
  readonly complaints: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #workers: Promise<unknown>;
  #isStopped = false;

  constructor(address: string, workers: number, seed: number) {
    this.#workers = Promise.all(
      Array.from({ length: workers }, (_, i) => this.#work(address, i, new Seeded(seed + i))),
    );
  }

  /** Resolves when every worker has finished what it was at and closed its connection. */
  stop(): Promise<unknown> {
    this.#isStopped = true;
    return this.#workers;
  }

  async #work(address: string, index: number, random: Seeded): Promise<void> {
    while (!this.#isStopped) {
      using worker = new Worker(address, index, random);
      for (let done = 0; done < operationsPerConnection && !this.#isStopped; done++) {
        const [, name, run] = random.pick(drawn);
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
        try {
          await run(worker);
        } catch (error) {
          this.complaints.push(`${name}: ${(error as Error).message}`);
        }
        await sleep(pauseMs);
      }
    }
  }
}

class Worker implements Disposable {
  readonly #address: string;
  readonly #index: number;
  readonly #random: Seeded;
  readonly #client: GrpcClient;

  constructor(address: string, index: number, random: Seeded) {
    this.#address = address;
    this.#index = index;
    this.#random = random;
    this.#client = grpcClient(address);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  async put(bytesMax: number): Promise<void> {
    const value = Buffer.alloc(this.#random.below(bytesMax), 'v');
    await this.#client.call('etcdserverpb.KV/Put', { key: this.#key(), value }, patient);
  }

  async get(): Promise<void> {
    const key = this.#key();
    const all = { key: Buffer.from('w'), range_end: Buffer.from('x'), limit: 100 };
    const request = this.#random.chance(0.2) ? all : { key };
    const { kvs } = await this.#client.call('etcdserverpb.KV/Range', request, patient);
    const [first] = kvs;
    if (request !== all && first !== undefined && !first.key.equals(key)) {
      throw new Error(`asked for ${key}, got ${first.key}`);
    }
  }

  async txn(): Promise<void> {
    const key = this.#key();
    const { succeeded } = await this.#client.call(
      'etcdserverpb.KV/Txn',
      {
        compare: [{ target: 'VERSION', result: 'GREATER', key, version: -1 }],
        success: [{ request_put: { key, value: key } }, { request_range: { key } }],
        failure: [{ request_delete_range: { key } }],
      },
      patient,
    );
    if (!succeeded) throw new Error('a version below zero');
  }

  /** One to three watches on a stream, an event for each, and one of four ways to leave. */
  async watch(): Promise<void> {
    using stream = this.#client.stream('etcdserverpb.Watch/Watch');
    const key = Buffer.concat([this.#key(), Buffer.from('/watched')]);
    const watches = 1 + this.#random.below(3);
    for (let i = 0; i < watches; i++) {
      stream.send({ create_request: { key } });
      const { created } = await stream.next(patienceMs);
      if (!created) throw new Error('no response to the creation of a watch');
    }
    const value = Buffer.from(`${this.#random.below(1e9)}`);
    await this.#client.call('etcdserverpb.KV/Put', { key, value }, patient);
    for (let i = 0; i < watches; i++) {
      const response = await stream.next(patienceMs);
      if (response.events[0]?.kv.value.equals(value) === true) continue;
      throw new Error(`not the event that was due, but ${JSON.stringify(response)}`);
    }
    const leave = this.#random.below(4);
    if (leave === 0) stream.end();
    if (leave !== 1) return;
    stream.send({ cancel_request: { watch_id: 0 } });
    if (!(await stream.next(patienceMs)).canceled) throw new Error('the watch was not cancelled');
  }

  /** As Go's client does it: a stream for every renewal. */
  async keepAliveOnce(): Promise<void> {
    const { ID } = await this.#client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600 }, patient);
    for (let i = 0; i < 5; i++) {
      using stream = this.#client.stream('etcdserverpb.Lease/LeaseKeepAlive');
      stream.send({ ID });
      if ((await stream.next(patienceMs)).TTL !== '600')
        throw new Error('the lease was not renewed');
    }
    await this.#client.call('etcdserverpb.Lease/LeaseRevoke', { ID }, patient);
  }

  async cancelled(): Promise<void> {
    const cancel = new AbortController();
    const options = { ...patient, signal: cancel.signal };
    const key = this.#key();
    const calls = Array.from({ length: 20 }, () =>
      this.#client.call('etcdserverpb.KV/Put', { key, value: key }, options),
    );
    using watch = this.#client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    for (let turns = this.#random.below(6); turns > 0; turns--) await nextTurn();
    cancel.abort();
    await endAs(calls, [Code.CANCELLED]);
  }

  async deadlines(): Promise<void> {
    const timeoutMs = 1 + this.#random.below(20);
    const key = this.#key();
    using watch = this.#client.stream('etcdserverpb.Watch/Watch', { timeoutMs: 30 });
    watch.send({ create_request: { key } });
    const calls = Array.from({ length: 5 }, () =>
      this.#client.call('etcdserverpb.KV/Put', { key, value: key }, { timeoutMs }),
    );
    // etcd words it in two other ways when it notices first, before 3.5 even as Unknown.
    await endAs(calls, [Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE, Code.UNKNOWN]);
    await watch.ended(patienceMs);
  }

  /** In and out again. One key for each worker, so that the store does not grow with the time. */
  async large(): Promise<void> {
    const key = Buffer.from(`large/${this.#index}`);
    const value = Buffer.alloc(1 + this.#random.below(largeValueBytes), 'l');
    await this.#client.call('etcdserverpb.KV/Put', { key, value }, patient);
    const { kvs } = await this.#client.call('etcdserverpb.KV/Range', { key }, patient);
    if (kvs[0]?.value.length !== value.length) throw new Error('not the value that was put');
  }

  /** A connection that goes while a watch, a put and half a message are under way. */
  async dropped(): Promise<void> {
    await using frames = await FrameClient.connect(this.#address);
    const key = this.#key();
    frames.headers(1, '/etcdserverpb.Watch/Watch');
    frames.message(1, encodeRequest('etcdserverpb.KV/Put', { key }), { end: false });
    frames.headers(3, '/etcdserverpb.KV/Put');
    frames.message(3, encodeRequest('etcdserverpb.KV/Put', { key, value: key }), { end: true });
    frames.headers(5, '/etcdserverpb.KV/Put');
    frames.frame(0, 0, 5, Buffer.from([0, 0, 0, 1, 0, 1, 2]));
    if (this.#random.chance(0.5)) await sleep(this.#random.below(20));
  }

  #key(): Buffer {
    return Buffer.from(`w${this.#index}/${this.#random.below(keysPerWorker)}`);
  }
}

const patient = { timeoutMs: patienceMs };

/** Waits for all of them. Rejects when one ends otherwise than with success or one of `codes`. */
async function endAs(calls: readonly Promise<unknown>[], codes: readonly number[]): Promise<void> {
  for (const end of await Promise.allSettled(calls)) {
    if (end.status === 'fulfilled') continue;
    if (end.reason instanceof Refused && codes.includes(end.reason.code)) continue;
    throw end.reason;
  }
}
