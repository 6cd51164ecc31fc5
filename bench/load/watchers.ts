/** A load program: holds connections with watchers of one range, and checks every event that each of them receives. */
import { watchCreateRequest } from '../messages.ts';
import { DeliveryCheck, DeliveryTotals } from './delivery-check.ts';
import { type CallHandler, Http2Client } from './http2-client.ts';
import { serve } from './program.ts';
import { indexedKey, indexOf, nowUs, sentAtUs, sequenceOf } from './stamped-value.ts';
import { type EventSink, WatchResponse } from './watch-response.ts';

/** Bounds the request bytes in flight, see http2-client.ts. */
const createsInFlightMax = 400;
const pollMs = 10;

export interface WatchPlan {
  readonly key: string;
  readonly rangeEnd: string | null;
  readonly streamsPerConnection: number;
  readonly watchersPerStream: number;
  /** Whether each watcher watches one key, the one of its number, instead of the range. */
  readonly hasOwnKeys: boolean;
  /** How many keys the writer writes. */
  readonly keys: number;
  /** Whether events are checked one by one. If not, they are only counted. */
  readonly isChecked: boolean;
}

export interface Received {
  readonly delivered: number;
  readonly missed: number;
  readonly repeated: number;
  readonly reordered: number;
  /** Streams and watches that the server has ended. */
  readonly ended: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
}

export type WatcherCommands = {
  connect: (target: { port: number; connections: number }) => Promise<void>;
  /** Opens the watchers, all at once, and returns the milliseconds until the last one was created. */
  watch: (plan: WatchPlan) => Promise<number>;
  /** Starts a new measurement. */
  clear: () => void;
  /** Waits until every watcher has the events up to `final`, by key. What is not there in time is missed. */
  settle: (until: { final: readonly number[]; timeoutMs: number }) => Promise<Received>;
};

const totals = new DeliveryTotals();
const streams: WatchStream[] = [];
let clients: Http2Client[] = [];
let ended = 0;
const response = new WatchResponse();

class WatchStream implements CallHandler, EventSink {
  readonly checks: DeliveryCheck[] = [];
  readonly plan: WatchPlan;
  readonly #client: Http2Client;
  readonly #onCreated: () => void;
  readonly #id: number;
  /** The number of its first watcher. */
  readonly #first: number;
  #sent = 0;
  #created = 0;

  constructor(client: Http2Client, plan: WatchPlan, first: number, onCreated: () => void) {
    this.#client = client;
    this.plan = plan;
    this.#first = first;
    this.#onCreated = onCreated;
    this.#id = client.open('/etcdserverpb.Watch/Watch', this);
    this.#create();
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    response.read(bytes, start, end, this.plan.isChecked ? this : null);
    if (!this.plan.isChecked) totals.delivered += response.events;
    if (response.isCanceled) ended += 1;
    if (!response.isCreated) return;
    if (this.plan.isChecked) {
      const { keys, hasOwnKeys } = this.plan;
      const only = hasOwnKeys ? this.#first + this.#created : null;
      this.checks[response.watchId] = new DeliveryCheck(totals, keys, only);
    }
    this.#created += 1;
    this.#create();
    this.#onCreated();
  }

  onEvent(bytes: Buffer, keyEnd: number, valueStart: number, _: number, modRevision: number): void {
    const latencyUs = nowUs() - sentAtUs(bytes, valueStart);
    const sequence = sequenceOf(bytes, valueStart);
    this.checks[response.watchId]?.onEvent(
      indexOf(bytes, keyEnd),
      sequence,
      modRevision,
      latencyUs,
    );
  }

  onEnd(): void {
    ended += 1;
  }

  #create(): void {
    const { watchersPerStream } = this.plan;
    while (this.#sent < watchersPerStream && this.#sent - this.#created < createsInFlightMax) {
      const request = createOf(this.plan, this.#first + this.#sent);
      this.#sent += 1;
      this.#client.send(this.#id, request, false);
    }
  }
}

function createOf({ key, rangeEnd, hasOwnKeys }: WatchPlan, watcher: number): Buffer {
  if (hasOwnKeys) return watchCreateRequest(indexedKey(key, watcher));
  return watchCreateRequest(key, rangeEnd ?? undefined);
}

/** Events that are still expected. */
function lacks(final: readonly number[]): number {
  let events = 0;
  let unchecked = 0;
  for (const stream of streams) {
    for (const check of stream.checks) events += check.lacks(final);
    if (!stream.plan.isChecked) unchecked += stream.plan.watchersPerStream;
  }
  const written = final.reduce((sum, sequence) => sum + sequence, 0);
  return unchecked > 0 ? Math.max(0, unchecked * written - totals.delivered) : events;
}

serve({
  async connect({ port, connections }) {
    clients = Array.from({ length: connections }, () => new Http2Client(port));
    await Promise.all(clients.map(({ ready }) => ready));
  },

  watch: (plan) =>
    new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const { streamsPerConnection, watchersPerStream } = plan;
      let left = clients.length * streamsPerConnection * watchersPerStream;
      const timer = setInterval(() => {
        if (ended > 0) reject(new Error('a watch ended before all were created'));
        else if (performance.now() - startedMs > 60_000) {
          reject(new Error(`${left} watches were not created within a minute`));
        } else return;
        clearInterval(timer);
      }, 1000);
      const onCreated = () => {
        left -= 1;
        if (left > 0) return;
        clearInterval(timer);
        resolve(performance.now() - startedMs);
      };
      for (const client of clients) {
        for (let i = 0; i < streamsPerConnection; i += 1) {
          const first = streams.length * watchersPerStream;
          streams.push(new WatchStream(client, plan, first, onCreated));
        }
      }
    }),

  clear: () => totals.clear(),

  async settle({ final, timeoutMs }) {
    const deadlineMs = performance.now() + timeoutMs;
    while (lacks(final) > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return {
      delivered: totals.delivered,
      missed: totals.missed + lacks(final),
      repeated: totals.repeated,
      reordered: totals.reordered,
      ended,
      p50Us: totals.latencyUs.percentile(0.5),
      p99Us: totals.latencyUs.percentile(0.99),
    };
  },
} satisfies WatcherCommands);
