/**
 * Counts pings that a worker has not responded to. It counts pings and not time: when the whole machine or container was
 * suspended, no pings were sent, and no worker is taken for hung.
 */

export interface HeartbeatLimits {
  readonly intervalMs: number;
  /** After more than this many pings without a response a worker counts as hung. */
  readonly hungAfter: number;
  /** After more than this many pings without a response it is killed, and replaced. */
  readonly killAfter: number;
}

export const heartbeatLimits: HeartbeatLimits = { intervalMs: 1_000, hungAfter: 10, killAfter: 30 };

export class Heartbeat {
  readonly #limits: HeartbeatLimits;
  #pending = 0;

  constructor(limits: HeartbeatLimits = heartbeatLimits) {
    this.#limits = limits;
  }

  pinged(): void {
    this.#pending += 1;
  }

  responded(): void {
    this.#pending = 0;
  }

  get isHung(): boolean {
    return this.#pending > this.#limits.hungAfter;
  }

  get mustBeKilled(): boolean {
    return this.#pending > this.#limits.killAfter;
  }
}
