/**
 * Where calls wait that could not be sent: nothing is connected, or no member has a leader. An election then looks like a
 * pause and not like an error. Bounded in calls and bytes; it knows no time, each call keeps its own deadline and leaves.
 */
import type { Method } from '../etcd/methods.ts';

/** What the upstream tells of itself. */
export interface Availability {
  /** Some endpoint takes calls of this method. */
  isAvailable(method: Method): boolean;
  /** Calls `listener` whenever `isAvailable` may have turned true for some method. For the
   *  life of the process. */
  onAvailable(listener: () => void): void;
}

/** A call that can wait. */
export interface Held {
  /** The upstream takes calls again; the call has left the hold. Must not throw. */
  onReleased(): void;
}

export interface HoldBounds {
  readonly heldCallsMax: number;
  /** Of requests, all calls together. */
  readonly heldBytesMax: number;
}

export const defaultHoldBounds: HoldBounds = { heldCallsMax: 10_000, heldBytesMax: 32 << 20 };

export class Hold {
  readonly #availability: Availability;
  readonly #bounds: HoldBounds;
  /** In order of arrival, with the bytes that each keeps. */
  readonly #held = new Map<Held, number>();
  #bytes = 0;

  constructor(availability: Availability, bounds: HoldBounds = defaultHoldBounds) {
    this.#availability = availability;
    this.#bounds = bounds;
    availability.onAvailable(() => this.#releaseAll());
  }

  /** Nothing takes calls of this method, so they have to wait. */
  isNeeded(method: Method): boolean {
    return !this.#availability.isAvailable(method);
  }

  get heldCalls(): number {
    return this.#held.size;
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Lets a call wait, or a waiting one keep `bytes` more. False when that would pass a bound; nothing has changed then. */
  keep(call: Held, bytes: number): boolean {
    const kept = this.#held.get(call);
    if (kept === undefined && this.#held.size >= this.#bounds.heldCallsMax) return false;
    if (this.#bytes + bytes > this.#bounds.heldBytesMax) return false;
    this.#held.set(call, (kept ?? 0) + bytes);
    this.#bytes += bytes;
    return true;
  }

  /** The call no longer waits. Does nothing when it did not. */
  leave(call: Held): void {
    const kept = this.#held.get(call);
    if (kept === undefined) return;
    this.#held.delete(call);
    this.#bytes -= kept;
  }

  #releaseAll(): void {
    // A copy, since a call may come back at once when the upstream goes away again.
    for (const call of [...this.#held.keys()]) {
      // Another one's release may have cancelled it.
      if (!this.#held.has(call)) continue;
      this.leave(call);
      call.onReleased();
    }
  }
}
