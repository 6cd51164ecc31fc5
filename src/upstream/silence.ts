/**
 * Notices that a member does not respond: unary calls are waiting and none of them has had a response for a while. That is a reason
 * for a probe, and for preferring other members until the probe has succeeded. A call whose client has given up still counts, so
 * short deadlines do not hide a member that hangs. One timer, which runs only while calls wait.
 */
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** Longer than a member that works takes for a call, except for very large ranges and very slow disks. */
const silentMs = 500;

export class Silence {
  /** Set until `reset`, or until a call has a response. */
  isSilent = false;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #waiting = 0;
  /** A call was sent, and no call has had a response since. */
  #isOwed = false;
  /** When the member last responded, or when the first call was sent that it has not responded to. */
  #sinceMs = 0;
  #cancelTimer: CancelTimer | null = null;

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  onSent(): void {
    this.#waiting += 1;
    if (this.#isOwed) return;
    this.#isOwed = true;
    this.#sinceMs = this.#clock.nowMs();
    if (this.#cancelTimer === null) this.#arm(silentMs);
  }

  /** A call has had a response. */
  onResponse(): void {
    this.#waiting -= 1;
    this.#isOwed = this.#waiting > 0;
    if (this.#isOwed) this.#sinceMs = this.#clock.nowMs();
    if (this.isSilent) this.#set(false);
  }

  /** A call has ended without a response. `isLost`: with its connection, which is not silence. */
  onAbandoned(isLost: boolean): void {
    this.#waiting -= 1;
    if (isLost && this.#waiting === 0) this.#isOwed = false;
  }

  /** A probe has ended: its result counts from now on. */
  reset(): void {
    this.#isOwed = false;
    if (this.isSilent) this.#set(false);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #set(isSilent: boolean): void {
    this.isSilent = isSilent;
    this.#onChange();
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, this.#tick);
  }

  readonly #tick = (): void => {
    this.#cancelTimer = null;
    if (!this.#isOwed || this.isSilent) return;
    const remainingMs = this.#sinceMs + silentMs - this.#clock.nowMs();
    if (remainingMs > 0) this.#arm(remainingMs);
    else this.#set(true);
  };
}
