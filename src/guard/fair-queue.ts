/**
 * Bounds the unary calls that are at etcd, and shares that bound fairly between tenants: while it is reached, each call that
 * ends lets the first call of the next tenant go, in turn. So a tenant with thousands of calls waits for itself, and a tenant
 * with one call for one other. Each call has a weight. In one queue every call weighs 1, because etcd does not get faster with
 * more calls in flight than it can process. In another one a read weighs the bytes of its response, because etcd holds them.
 *
 * The queue has no timers: each call has its own deadline and removes itself.
 */
import { StatePart, type TenantState } from '../tenant/state.ts';

export interface QueuedCall {
  /** What the call weighs. It may change while the call waits. */
  readonly weight: number;
  /** The call enters only while no other call of its tenant has entered. */
  readonly entersAlone: boolean;
  /** The call may be sent. It has entered with `weight`. Must not throw. */
  onTurn(weight: number): void;
}

export interface FairQueueBounds {
  /** Weight of all calls that have entered. A call that is alone enters, whatever it weighs. */
  readonly weightMax: number;
  /** Weight of the calls of one tenant. A call that is the only one of its tenant does not count here. */
  readonly tenantWeightMax: number;
  readonly queuedCallsMax: number;
  /** Request bytes of all calls in the queue. */
  readonly queuedBytesMax: number;
}

interface Place {
  readonly call: QueuedCall;
  readonly lane: Lane;
  readonly bytes: number;
}

/** The calls of one tenant: the weight of those that have entered, and those that wait, first in, first out. */
class Lane {
  /** Weight of the calls that have entered. */
  weight = 0;
  waiting = 0;
  /** A removed call leaves a gap, which is closed now and then. */
  #places: (Place | null)[] = [];
  #first = 0;
  readonly #indexes = new Map<Place, number>();

  push(place: Place): void {
    this.waiting += 1;
    this.#indexes.set(place, this.#places.length);
    this.#places.push(place);
  }

  /** The first call that waits. */
  get first(): Place | null {
    while (this.#first < this.#places.length) {
      const place = this.#places[this.#first] ?? null;
      if (place !== null) return place;
      this.#first += 1;
    }
    return null;
  }

  remove(place: Place): void {
    const index = this.#indexes.get(place);
    if (index === undefined) return;
    this.waiting -= 1;
    this.#indexes.delete(place);
    this.#places[index] = null;
    this.#compact();
  }

  #compact(): void {
    if (this.#places.length < 64 || this.#places.length < 4 * this.waiting) return;
    this.#places = this.#places.filter((place) => place !== null);
    this.#first = 0;
    for (const [index, place] of this.#places.entries()) {
      if (place !== null) this.#indexes.set(place, index);
    }
  }
}

export class FairQueue {
  readonly #bounds: FairQueueBounds;
  readonly #lanes = new StatePart(() => new Lane());
  #weight = 0;
  /** Tenants with waiting calls. The first one is next. */
  readonly #turns: Lane[] = [];
  readonly #waiting = new Map<QueuedCall, Place>();
  #bytes = 0;
  /** Calls are being let go. Those that end meanwhile must not start another round within it. */
  #isLettingGo = false;

  constructor(bounds: FairQueueBounds) {
    this.#bounds = bounds;
  }

  /** Of all calls that have entered. */
  get weight(): number {
    return this.#weight;
  }

  get queuedCalls(): number {
    return this.#waiting.size;
  }

  /** Lets a call in if it fits and no other one waits. Each true needs one `leave` with the same weight. */
  enter(tenant: TenantState, weight: number, entersAlone = false): boolean {
    if (this.#waiting.size > 0 || !this.#fits(weight)) return false;
    const lane = tenant.get(this.#lanes);
    if (!this.#fitsTenant(lane, weight, entersAlone)) return false;
    this.#count(lane, weight);
    return true;
  }

  /** A call that `enter` or `onTurn` has let in has ended. */
  leave(tenant: TenantState, weight: number): void {
    this.#count(tenant.get(this.#lanes), -weight);
    if (this.#waiting.size > 0) this.#letGo();
  }

  /**
   * Adds a call that could not enter. Its `onTurn` may be called before this returns. Returns false if the call would exceed
   * a bound of the queue.
   */
  enqueue(call: QueuedCall, tenant: TenantState, bytes: number): boolean {
    const { queuedCallsMax, queuedBytesMax } = this.#bounds;
    if (this.#waiting.size >= queuedCallsMax || this.#bytes + bytes > queuedBytesMax) return false;
    const lane = tenant.get(this.#lanes);
    const place = { call, lane, bytes };
    if (lane.waiting === 0) this.#turns.push(lane);
    lane.push(place);
    this.#waiting.set(call, place);
    this.#bytes += bytes;
    this.#letGo();
    return true;
  }

  /** Does nothing if the call is not in the queue. */
  remove(call: QueuedCall): void {
    const place = this.#waiting.get(call);
    if (place === undefined) return;
    this.#forget(place);
    if (place.lane.waiting === 0) this.#turns.splice(this.#turns.indexOf(place.lane), 1);
    this.#letGo();
  }

  #letGo(): void {
    if (this.#isLettingGo) return;
    this.#isLettingGo = true;
    try {
      while (this.#letNextGo());
    } finally {
      this.#isLettingGo = false;
    }
  }

  /** A tenant whose own bound is reached misses its turn. Returns false if no call may go. */
  #letNextGo(): boolean {
    for (const [index, lane] of this.#turns.entries()) {
      const place = lane.first;
      if (place === null) continue;
      const { weight, entersAlone } = place.call;
      if (!this.#fitsTenant(lane, weight, entersAlone)) continue;
      // It is not overtaken, or it might never fit.
      if (!this.#fits(weight)) return false;
      this.#forget(place);
      this.#turns.splice(index, 1);
      if (lane.waiting > 0) this.#turns.push(lane);
      this.#count(lane, weight);
      place.call.onTurn(weight);
      return true;
    }
    return false;
  }

  #fits(weight: number): boolean {
    return this.#weight + weight <= this.#bounds.weightMax || this.#weight === 0;
  }

  #fitsTenant(lane: Lane, weight: number, entersAlone: boolean): boolean {
    if (lane.weight === 0) return true;
    return !entersAlone && lane.weight + weight <= this.#bounds.tenantWeightMax;
  }

  #count(lane: Lane, weight: number): void {
    lane.weight += weight;
    this.#weight += weight;
  }

  #forget(place: Place): void {
    this.#waiting.delete(place.call);
    this.#bytes -= place.bytes;
    place.lane.remove(place);
  }
}
