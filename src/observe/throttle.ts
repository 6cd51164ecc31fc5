/**
 * At most one line per key and interval, so that a cluster that is gone for an hour does not fill the disk with the same
 * sentence. It counts what it holds back and drops nothing else.
 */
import type { Clock } from '../runtime/clock.ts';

interface Slot {
  openAtMs: number;
  heldBack: number;
}

/** More keys than this share one slot; keys are names of ours, so this is not reached in practice. */
const keysMax = 1000;

export class Throttle {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #slots = new Map<string, Slot>();

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** -1: say nothing now. Otherwise how many were held back since the last time. */
  pass(key: string): number {
    const slot = this.#slot(key);
    const nowMs = this.#clock.nowMs();
    if (nowMs < slot.openAtMs) {
      slot.heldBack += 1;
      return -1;
    }
    const { heldBack } = slot;
    slot.openAtMs = nowMs + this.#intervalMs;
    slot.heldBack = 0;
    return heldBack;
  }

  #slot(key: string): Slot {
    const name = this.#slots.has(key) || this.#slots.size < keysMax ? key : '';
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      slot = { openAtMs: Number.NEGATIVE_INFINITY, heldBack: 0 };
      this.#slots.set(name, slot);
    }
    return slot;
  }
}
