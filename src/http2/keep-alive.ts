/**
 * Detects a dead connection. After an interval without a byte from the peer it sends a PING; without a byte within the timeout
 * the connection is closed. One timer per connection, none per call.
 */
import type { CancelTimer, Clock } from '../runtime/clock.ts';

export interface KeepAliveOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** False: no pings without an open stream. Servers close connections that send those. */
  readonly whenIdle: boolean;
}

export interface KeepAliveOwner {
  readonly openStreams: number;
  sendKeepAlive(): void;
  onKeepAliveTimeout(): void;
}

/** dormant ─begin─▶ listening ─idle interval─▶ pinging ─a byte─▶ listening;  pinging ─timeout─▶ onKeepAliveTimeout */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #options: KeepAliveOptions;
  readonly #owner: KeepAliveOwner;
  #cancel: CancelTimer | null = null;
  #isPinging = false;
  #hasBytes = false;

  constructor(clock: Clock, options: KeepAliveOptions, owner: KeepAliveOwner) {
    this.#clock = clock;
    this.#options = options;
    this.#owner = owner;
  }

  /** The peer sent something. Called for every read, so it only sets a flag. */
  onBytes(): void {
    this.#hasBytes = true;
  }

  /** Called when the connection is established, and whenever a client opens a stream. */
  begin(): void {
    if (this.#cancel !== null) return;
    this.#hasBytes = false;
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
    const hadBytes = this.#hasBytes;
    this.#hasBytes = false;
    if (!hadBytes && this.#isPinging) {
      this.#owner.onKeepAliveTimeout();
      return;
    }
    this.#isPinging = false;
    if (!this.#options.whenIdle && this.#owner.openStreams === 0) return;
    if (hadBytes) {
      this.#arm(this.#options.intervalMs);
      return;
    }
    this.#isPinging = true;
    this.#owner.sendKeepAlive();
    this.#arm(this.#options.timeoutMs);
  };
}
