/**
 * Limits log lines to one per key and interval, so that an outage of the cluster does not fill the disk with one repeated
 * line. It counts the suppressed lines.
 */
import type { Clock } from '../runtime/clock.ts';

interface Slot {
  nextAtMs: number;
  suppressed: number;
}

/** Further keys share one slot. Keys are made of configured names, so this is not reached in practice. */
const keysMax = 1000;

export class Throttle {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #slots = new Map<string, Slot>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** Returns the number of lines that were suppressed since the last one, or -1 if this line must be suppressed, too. */
  pass(key: string): number {
    const slot = this.#slot(key);
    const nowMs = this.#clock.nowMs();
    if (nowMs < slot.nextAtMs) {
      slot.suppressed += 1;
      return -1;
    }
    const { suppressed } = slot;
    slot.nextAtMs = nowMs + this.#intervalMs;
    slot.suppressed = 0;
    return suppressed;
  }

  #slot(key: string): Slot {
    const name = this.#slots.has(key) || this.#slots.size < keysMax ? key : '';
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      slot = { nextAtMs: Number.NEGATIVE_INFINITY, suppressed: 0 };
      this.#slots.set(name, slot);
    }
    return slot;
  }
}
