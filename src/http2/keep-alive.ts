/**
 * Finds out that the other end is gone although the connection says nothing. One timer per connection, none per call:
 * a whole interval without a byte from the peer has a PING sent, and silence after that for the timeout is the end.
 */
import type { CancelTimer, Clock } from '../runtime/clock.ts';

export interface KeepAliveOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** False: no pings while no stream is open; servers punish those. */
  readonly whenIdle: boolean;
}

export interface KeepAliveOwner {
  readonly openStreams: number;
  sendKeepAlive(): void;
  onKeepAliveTimeout(): void;
}

/** dormant ─begin()→ listening ─interval without a byte→ pinging ─a byte→ listening; pinging ─timeout→ onKeepAliveTimeout */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #options: KeepAliveOptions;
  readonly #owner: KeepAliveOwner;
  #cancel: CancelTimer | null = null;
  #isPinging = false;
  #heard = false;

  constructor(clock: Clock, options: KeepAliveOptions, owner: KeepAliveOwner) {
    this.#clock = clock;
    this.#options = options;
    this.#owner = owner;
  }

  /** Something came from the peer. Called per read, so it does as little as possible. */
  onBytes(): void {
    this.#heard = true;
  }

  /** Called when the connection is up, and whenever a stream is opened. */
  begin(): void {
    if (this.#cancel !== null) return;
    this.#heard = false;
    this.#arm(this.#options.intervalMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #arm(delayMs: number): void {
    if (delayMs !== Number.POSITIVE_INFINITY) this.#cancel = this.#clock.after(delayMs, this.#tick);
  }

  readonly #tick = (): void => {
    this.#cancel = null;
    const wasHeard = this.#heard;
    this.#heard = false;
    if (!wasHeard && this.#isPinging) {
      this.#owner.onKeepAliveTimeout();
      return;
    }
    this.#isPinging = false;
    if (!this.#options.whenIdle && this.#owner.openStreams === 0) return;
    if (wasHeard) {
      this.#arm(this.#options.intervalMs);
      return;
    }
    this.#isPinging = true;
    this.#owner.sendKeepAlive();
    this.#arm(this.#options.timeoutMs);
  };
}
