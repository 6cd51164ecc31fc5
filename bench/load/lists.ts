/** A load program: connections that list a range, all at once or again and again. */
import { rangeRequest, watchCreateRequest } from '../messages.ts';
import { Histogram } from './histogram.ts';
import { Http2Client } from './http2-client.ts';
import { serve } from './program.ts';
import { WatchResponse } from './watch-response.ts';

/** Headers, revisions and versions have varints, so a response differs from the first one by a few bytes per key. */
const lengthTolerance = 0.02;
const stormTimeoutMs = 120_000;

export interface ListPlan {
  readonly key: string;
  readonly rangeEnd: string;
  readonly isSerializable: boolean;
  /** Bytes of the response. */
  readonly responseBytes: number;
}

export interface Listed {
  readonly lists: number;
  /** Calls without a response, and responses with another length than expected. */
  readonly failures: number;
  /** Until the last response. */
  readonly elapsedMs: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
}

export type ListCommands = {
  /** Opens connections to the ports in turn. */
  connect: (target: { ports: readonly number[]; connections: number }) => Promise<void>;
  /** Opens a watch of the range on the first connection. Resolves when it is created. */
  watch: (range: { key: string; rangeEnd: string }) => Promise<void>;
  /** Every connection lists the range once, all at the same time. */
  storm: (plan: ListPlan) => Promise<Listed>;
  /** Lists the range for so long, with so many calls in flight, on the connections in turn. */
  repeat: (load: { plan: ListPlan; inFlight: number; ms: number }) => Promise<Listed>;
};

let clients: Http2Client[] = [];

class Listing {
  lists = 0;
  failures = 0;
  readonly #plan: ListPlan;
  readonly #request: Buffer;
  readonly #latencyUs = new Histogram();
  readonly #startedMs = performance.now();

  constructor(plan: ListPlan) {
    this.#plan = plan;
    this.#request = rangeRequest(plan.key, plan.rangeEnd, plan.isSerializable);
  }

  /** Resolves when the call has ended, also if it failed. */
  list(client: Http2Client): Promise<void> {
    return new Promise((resolve) => {
      const sentMs = performance.now();
      let bytes = -1;
      const id = client.open('/etcdserverpb.KV/Range', {
        onMessage: (_, start, end) => {
          bytes = end - start;
          this.#latencyUs.record((performance.now() - sentMs) * 1000);
        },
        onEnd: () => {
          this.lists += 1;
          if (!this.#isExpected(bytes)) this.failures += 1;
          resolve();
        },
      });
      client.send(id, this.#request, true);
    });
  }

  result(): Listed {
    return {
      lists: this.lists,
      failures: this.failures,
      elapsedMs: performance.now() - this.#startedMs,
      p50Us: this.#latencyUs.percentile(0.5),
      p99Us: this.#latencyUs.percentile(0.99),
    };
  }

  #isExpected(bytes: number): boolean {
    const { responseBytes } = this.#plan;
    return Math.abs(bytes - responseBytes) <= responseBytes * lengthTolerance;
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not all lists arrived within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

serve({
  async connect({ ports, connections }) {
    clients = Array.from(
      { length: connections },
      (_, index) => new Http2Client(ports[index % ports.length] ?? 0),
    );
    await Promise.all(clients.map(({ ready }) => ready));
  },

  watch: ({ key, rangeEnd }) =>
    new Promise((resolve, reject) => {
      const [client] = clients;
      if (client === undefined) {
        reject(new Error('a watch without a connection'));
        return;
      }
      const response = new WatchResponse();
      const id = client.open('/etcdserverpb.Watch/Watch', {
        onMessage: (bytes, start, end) => {
          response.read(bytes, start, end, null);
          if (response.isCreated && !response.isCanceled) resolve();
        },
        onEnd: () => reject(new Error('the watch ended')),
      });
      client.send(id, watchCreateRequest(key, rangeEnd), false);
    }),

  async storm(plan) {
    const listing = new Listing(plan);
    await within(stormTimeoutMs, Promise.all(clients.map((client) => listing.list(client))));
    return listing.result();
  },

  async repeat({ plan, inFlight, ms }) {
    const listing = new Listing(plan);
    const endMs = performance.now() + ms;
    let calls = 0;
    const lanes = Array.from({ length: inFlight }, async () => {
      while (performance.now() < endMs) {
        const client = clients[calls % clients.length];
        calls += 1;
        if (client !== undefined) await listing.list(client);
      }
    });
    await within(ms + stormTimeoutMs, Promise.all(lanes));
    return listing.result();
  },
} satisfies ListCommands);
