/**
 * The bounded queue of calls that could not be sent, because no endpoint is connected or no member has a leader. A leader
 * election then looks like a pause and not like an error. The hold has no timers: each call has its own deadline and removes
 * itself.
 */
import type { Availability } from '../call/availability.ts';
import type { Method } from '../etcd/methods.ts';

export interface WaitingCall {
  /** Called when an endpoint is available again. The call has left the queue. Must not throw. */
  resume(): void;
}

export interface HoldBounds {
  readonly heldCallsMax: number;
  /** Request bytes of all waiting calls. */
  readonly heldBytesMax: number;
}

export const defaultHoldBounds: HoldBounds = { heldCallsMax: 10_000, heldBytesMax: 32 << 20 };

export class Hold {
  readonly #availability: Availability;
  readonly #bounds: HoldBounds;
  /** In order of arrival, with the request bytes of each call. */
  readonly #waiting = new Map<WaitingCall, number>();
  #bytes = 0;

  constructor(availability: Availability, bounds: HoldBounds = defaultHoldBounds) {
    this.#availability = availability;
    this.#bounds = bounds;
    availability.onAvailable(() => this.#resumeAll());
  }

  /** Whether calls of this method must wait. */
  isNeeded(method: Method): boolean {
    return !this.#availability.isAvailable(method);
  }

  /** Whether they have to wait only for a stream to end. */
  isFull(method: Method): boolean {
    return this.#availability.isFull(method);
  }

  /** Whether they have to wait only for a connection to a working endpoint. */
  isDialing(method: Method): boolean {
    return this.#availability.isDialing(method);
  }

  get heldCalls(): number {
    return this.#waiting.size;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Adds a call, or more bytes to a waiting call. Returns false and changes nothing if that would exceed a bound. */
  enqueue(call: WaitingCall, bytes: number): boolean {
    const known = this.#waiting.get(call);
    if (known === undefined && this.#waiting.size >= this.#bounds.heldCallsMax) return false;
    if (this.#bytes + bytes > this.#bounds.heldBytesMax) return false;
    this.#waiting.set(call, (known ?? 0) + bytes);
    this.#bytes += bytes;
    return true;
  }

  /** Does nothing if the call does not wait. */
  remove(call: WaitingCall): void {
    const bytes = this.#waiting.get(call);
    if (bytes === undefined) return;
    this.#waiting.delete(call);
    this.#bytes -= bytes;
  }

  #resumeAll(): void {
    // A copy, because a call waits again if the upstream becomes unavailable meanwhile.
    for (const call of [...this.#waiting.keys()]) {
      // A resumed call may have cancelled this one.
      if (!this.#waiting.has(call)) continue;
      this.remove(call);
      call.resume();
    }
  }
}
