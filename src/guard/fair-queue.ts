/**
 * Bounds the unary calls that are in flight at etcd, and shares that number fairly between tenants: while it is reached, each
 * call that ends lets the first call of the next tenant go, in turn. So a tenant with thousands of calls waits for itself, and a
 * tenant with one call for one other. etcd does not get faster with more calls in flight than it can process.
 *
 * Calls that wait for other clients (Lock, Campaign) are not counted. The queue has no timers: each call has its own deadline and
 * removes itself.
 */
import type { TenantState } from '../tenant/state.ts';

export interface QueuedCall {
  /** The call may be sent. Must not throw. */
  onTurn(): void;
}

export interface FairQueueBounds {
  /** Calls in flight at etcd, of all tenants. */
  readonly inFlightMax: number;
  readonly queuedCallsMax: number;
  /** Request bytes of all calls in the queue. */
  readonly queuedBytesMax: number;
}

/** Bounds of the queue of a process. */
export const queueBounds = { queuedCallsMax: 50_000, queuedBytesMax: 64 << 20 } as const;

/** A call of any tenant waits no longer than this. Then it is rejected. */
export const queuedMsMax = 5_000;

/** The waiting calls of one tenant, first in, first out. Calls that are removed leave a gap, which is closed now and then. */
class TenantQueue {
  readonly tenant: TenantState;
  #calls: (QueuedCall | null)[] = [];
  #first = 0;
  readonly #places = new Map<QueuedCall, number>();

  constructor(tenant: TenantState) {
    this.tenant = tenant;
  }

  get length(): number {
    return this.#places.size;
  }

  push(call: QueuedCall): void {
    this.#places.set(call, this.#calls.length);
    this.#calls.push(call);
  }

  shift(): QueuedCall | null {
    while (this.#first < this.#calls.length) {
      const call = this.#calls[this.#first] ?? null;
      this.#calls[this.#first] = null;
      this.#first += 1;
      if (call === null) continue;
      this.#places.delete(call);
      this.#compact();
      return call;
    }
    return null;
  }

  remove(call: QueuedCall): void {
    const place = this.#places.get(call);
    if (place === undefined) return;
    this.#places.delete(call);
    this.#calls[place] = null;
    this.#compact();
  }

  #compact(): void {
    if (this.#calls.length < 64 || this.#calls.length < 4 * this.length) return;
    this.#calls = this.#calls.filter((call) => call !== null);
    this.#first = 0;
    for (const [place, call] of this.#calls.entries()) {
      if (call !== null) this.#places.set(call, place);
    }
  }
}

interface Place {
  readonly queue: TenantQueue;
  readonly bytes: number;
}

export class FairQueue {
  readonly #bounds: FairQueueBounds;
  #inFlight = 0;
  /** Tenants with waiting calls. The first one is next. */
  readonly #turns: TenantQueue[] = [];
  readonly #byTenant = new Map<TenantState, TenantQueue>();
  readonly #waiting = new Map<QueuedCall, Place>();
  #bytes = 0;
  /** Calls are being let go. Those that end meanwhile must not start another round within it. */
  #isLettingGo = false;

  constructor(bounds: FairQueueBounds) {
    this.#bounds = bounds;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queuedCalls(): number {
    return this.#waiting.size;
  }

  /** Counts a call as in flight if there is room. Each true needs one `leave`. */
  enter(): boolean {
    if (this.#inFlight >= this.#bounds.inFlightMax || this.#waiting.size > 0) return false;
    this.#inFlight += 1;
    return true;
  }

  /** A call that `enter` or `onTurn` has let in has ended. */
  leave(): void {
    this.#inFlight -= 1;
    if (this.#waiting.size > 0 && !this.#isLettingGo) this.#letGo();
  }

  /** Adds a call that could not enter. Returns false if that would exceed a bound. */
  enqueue(call: QueuedCall, tenant: TenantState, bytes: number): boolean {
    const { queuedCallsMax, queuedBytesMax } = this.#bounds;
    if (this.#waiting.size >= queuedCallsMax || this.#bytes + bytes > queuedBytesMax) return false;
    let queue = this.#byTenant.get(tenant);
    if (queue === undefined) {
      queue = new TenantQueue(tenant);
      this.#byTenant.set(tenant, queue);
      this.#turns.push(queue);
    }
    queue.push(call);
    this.#waiting.set(call, { queue, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** Does nothing if the call is not in the queue. */
  remove(call: QueuedCall): void {
    const place = this.#waiting.get(call);
    if (place === undefined) return;
    this.#forget(call, place);
    place.queue.remove(call);
  }

  #letGo(): void {
    this.#isLettingGo = true;
    try {
      while (this.#inFlight < this.#bounds.inFlightMax) {
        const call = this.#next();
        if (call === null) return;
        this.#inFlight += 1;
        call.onTurn();
      }
    } finally {
      this.#isLettingGo = false;
    }
  }

  #next(): QueuedCall | null {
    for (let queue = this.#turns.shift(); queue !== undefined; queue = this.#turns.shift()) {
      const call = queue.shift();
      if (queue.length > 0) this.#turns.push(queue);
      else this.#byTenant.delete(queue.tenant);
      if (call === null) continue;
      const place = this.#waiting.get(call);
      if (place !== undefined) this.#forget(call, place);
      return call;
    }
    return null;
  }

  #forget(call: QueuedCall, { bytes }: Place): void {
    this.#waiting.delete(call);
    this.#bytes -= bytes;
  }
}
