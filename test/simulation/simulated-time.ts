/**
 * Simulated time: a queue of events that run one after another, each as one turn of the event loop. Deferred work runs at the
 * end of the turn, as with `process.nextTick`.
 */
import type { CancelTimer, Clock } from '../../src/runtime/clock.ts';

interface TimedEvent {
  readonly atMs: number;
  readonly order: number;
  action: (() => void) | null;
}

export class SimulatedTime {
  /** Turns so far. */
  turn = 0;
  /** Called after each turn. */
  afterTurn: () => void = () => {};
  #nowMs = 0;
  #order = 0;
  #deferred: (() => void)[] = [];
  /** A binary heap, earliest first. */
  readonly #heap: TimedEvent[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  readonly defer = (work: () => void): void => {
    this.#deferred.push(work);
  };

  after(delayMs: number, action: () => void): CancelTimer {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action };
    this.#push(event);
    return () => {
      (event as TimedEvent).action = null;
    };
  }

  /** Runs all events up to `untilMs`, also those that they add. */
  runUntil(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined; next = this.#heap[0]) {
      if (next.atMs > untilMs) break;
      this.#pop();
      const { action } = next;
      if (action === null) continue;
      next.action = null;
      this.#nowMs = next.atMs;
      this.runNow(action);
    }
    this.#nowMs = untilMs;
  }

  /** Runs `action` as a turn of its own, now. */
  runNow(action: () => void): void {
    this.turn += 1;
    action();
    while (this.#deferred.length > 0) {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const work of deferred) work();
    }
    this.afterTurn();
  }

  #push(event: TimedEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as TimedEvent;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (
        child + 1 < heap.length &&
        isBefore(heap[child + 1] as TimedEvent, heap[child] as TimedEvent)
      )
        child += 1;
      if (!isBefore(heap[child] as TimedEvent, last)) break;
      heap[at] = heap[child] as TimedEvent;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** The clock of the code under test. It counts the timers that are pending. */
export class SimulatedClock implements Clock {
  pending = 0;
  readonly #time: SimulatedTime;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  nowMs(): number {
    return this.#time.nowMs;
  }

  epochMs(): number {
    return 1_700_000_000_000 + this.#time.nowMs;
  }

  after(delayMs: number, action: () => void): CancelTimer {
    this.pending += 1;
    let isPending = true;
    const settle = () => {
      if (isPending) this.pending -= 1;
      isPending = false;
    };
    const cancel = this.#time.after(delayMs, () => {
      settle();
      action();
    });
    return () => {
      settle();
      cancel();
    };
  }
}
