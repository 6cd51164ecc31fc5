/**
 * Detects a dead connection. Exactly one interval after the last byte from the peer it sends a PING; without a byte within the
 * timeout the connection is closed. So a dead peer is detected at most an interval and a timeout after its last byte. One timer per
 * connection, none per call.
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
  /** The peer has sent something since the last ping. */
  #hasBytes = false;
  /** When the peer last sent something. */
  #bytesMs = 0;

  constructor(clock: Clock, options: KeepAliveOptions, owner: KeepAliveOwner) {
    this.#clock = clock;
    this.#options = options;
    this.#owner = owner;
  }

  /** The peer sent something. Called for every read, so it does not touch the timer. */
  onBytes(): void {
    this.#hasBytes = true;
    this.#bytesMs = this.#clock.nowMs();
  }

  /** Called when the connection is established, and whenever a client opens a stream. */
  begin(): void {
    if (this.#cancel !== null) return;
    this.#isPinging = false;
    this.#bytesMs = this.#clock.nowMs();
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
    const { intervalMs, timeoutMs, whenIdle } = this.#options;
    const silentMs = this.#clock.nowMs() - this.#bytesMs;
    if (this.#isPinging && !this.#hasBytes) {
      this.#owner.onKeepAliveTimeout();
      return;
    }
    this.#isPinging = false;
    if (!whenIdle && this.#owner.openStreams === 0) return;
    if (silentMs < intervalMs) {
      this.#arm(intervalMs - silentMs);
      return;
    }
    this.#isPinging = true;
    this.#hasBytes = false;
    this.#owner.sendKeepAlive();
    this.#arm(timeoutMs);
  };
}
