/**
 * One simulated process: it takes a lease, registers its key, lists and watches its namespace, keeps the lease alive and
 * updates its key. It checks every event of every other process of its namespace.
 */
import {
  keyValuesOf,
  type LeaseId,
  leasedPutRequest,
  leaseGrantRequest,
  leaseIdOf,
  leaseKeepAliveRequest,
  rangeRequest,
  revisionOf,
  watchCreateRequest,
} from '../messages.ts';
import { DeliveryCheck, type DeliveryTotals } from './delivery-check.ts';
import type { Http2Client } from './http2-client.ts';
import { indexedKey, indexOf, nowUs, sentAtUs, sequenceOf, stampedValue } from './stamped-value.ts';
import { type EventSink, WatchResponse } from './watch-response.ts';

export interface FleetPlan {
  readonly namespaces: number;
  /** Per namespace. */
  readonly processes: number;
  readonly keyPrefix: string;
  readonly valueBytes: number;
  readonly leaseSeconds: number;
}

/** What the processes of one program count together. */
export class FleetState {
  readonly totals: DeliveryTotals;
  /** Pairs of processes of which the first does not see the second yet. */
  unseen = 0;
  joined = 0;
  /** Calls and streams that ended with an error, and leases that expired. */
  failures = 0;
  firstFailure: string | null = null;

  constructor(totals: DeliveryTotals) {
    this.totals = totals;
  }

  fail(what: string): void {
    this.failures += 1;
    this.firstFailure ??= what;
  }
}

const response = new WatchResponse();

export class FleetProcess implements EventSink {
  sequence = 0;
  readonly namespace: number;
  readonly index: number;
  readonly check: DeliveryCheck;
  readonly #client: Http2Client;
  readonly #plan: FleetPlan;
  readonly #state: FleetState;
  readonly #prefix: string;
  #lease: LeaseId = Buffer.of(0);
  #isPutting = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(client: Http2Client, plan: FleetPlan, state: FleetState, id: number) {
    this.#client = client;
    this.#plan = plan;
    this.#state = state;
    this.namespace = Math.floor(id / plan.processes);
    this.index = id % plan.processes;
    this.#prefix = `${plan.keyPrefix}${this.namespace}/`;
    this.check = new DeliveryCheck(state.totals, plan.processes);
    state.unseen += plan.processes;
  }

  /** Resolves when the process is registered and watches. */
  async join(): Promise<void> {
    await this.#client.ready;
    const { leaseSeconds } = this.#plan;
    const grant = await this.#client.unary(
      '/etcdserverpb.Lease/LeaseGrant',
      leaseGrantRequest(leaseSeconds),
    );
    this.#lease = leaseIdOf(grant);
    await this.#put();
    const end = `${this.#prefix.slice(0, -1)}0`;
    const list = await this.#client.unary(
      '/etcdserverpb.KV/Range',
      rangeRequest(this.#prefix, end),
    );
    for (const { key, value } of keyValuesOf(list)) {
      const name = Buffer.from(key);
      this.check.start(indexOf(name, name.length), sequenceOf(Buffer.from(value), 0));
      this.#state.unseen -= 1;
    }
    const watch = this.#client.open('/etcdserverpb.Watch/Watch', {
      onMessage: (bytes, start, messageEnd) => this.#onWatch(bytes, start, messageEnd),
      onEnd: () => this.#state.fail('a watch stream ended'),
    });
    this.#client.send(watch, watchCreateRequest(this.#prefix, end, revisionOf(list) + 1), false);
    this.#keepAlive();
    this.#state.joined += 1;
  }

  /** Updates the key at a steady rate, with a random phase. */
  update(perSecond: number): void {
    const intervalMs = 1000 / perSecond;
    const start = setTimeout(() => {
      const step = () => {
        if (!this.#isPutting) void this.#put().catch(() => this.#state.fail('a put failed'));
      };
      step();
      this.#timers.push(setInterval(step, intervalMs));
    }, Math.random() * intervalMs);
    this.#timers.push(start);
  }

  stopUpdates(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  onEvent(
    bytes: Buffer,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    modRevision: number,
  ): void {
    if (valueStart === valueEnd) {
      this.#state.fail('a lease expired');
      return;
    }
    const latencyUs = nowUs() - sentAtUs(bytes, valueStart);
    const sequence = sequenceOf(bytes, valueStart);
    const isNew = this.check.onEvent(indexOf(bytes, keyEnd), sequence, modRevision, latencyUs);
    if (isNew) this.#state.unseen -= 1;
  }

  #onWatch(bytes: Buffer, start: number, end: number): void {
    response.read(bytes, start, end, this);
    if (response.isCanceled) this.#state.fail('a watch was cancelled');
  }

  async #put(): Promise<void> {
    this.sequence += 1;
    this.#isPutting = true;
    try {
      const key = indexedKey(this.#prefix, this.index);
      const value = stampedValue(this.#plan.valueBytes, this.sequence);
      await this.#client.unary('/etcdserverpb.KV/Put', leasedPutRequest(key, value, this.#lease));
    } finally {
      this.#isPutting = false;
    }
  }

  /** As clientv3: one stream, a renewal after each third of the lease's time. */
  #keepAlive(): void {
    const stream = this.#client.open('/etcdserverpb.Lease/LeaseKeepAlive', {
      onMessage: () => {},
      onEnd: () => this.#state.fail('a keepalive stream ended'),
    });
    const request = leaseKeepAliveRequest(this.#lease);
    this.#client.send(stream, request, false);
    const intervalMs = (this.#plan.leaseSeconds * 1000) / 3;
    setTimeout(() => {
      setInterval(() => this.#client.send(stream, request, false), intervalMs);
    }, Math.random() * intervalMs);
  }
}
