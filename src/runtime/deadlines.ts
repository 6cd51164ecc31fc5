/**
 * Many deadlines with one timer: a hashed timer wheel. Adding and removing an entry takes a few pointer writes. At most one
 * timer of the clock is active, and none if no entry waits. A deadline expires up to one tick late and never early, which is
 * enough for time limits that are rarely reached.
 */
import type { Clock } from './clock.ts';

/** Base class of objects with a deadline, so that adding one allocates nothing. An entry has at most one deadline at a time. */
export abstract class Deadline {
  /** On the clock's monotonic scale. Only `Deadlines` writes this field and the links. */
  dueMs = 0;
  deadlineBefore: Deadline | null = null;
  deadlineAfter: Deadline | null = null;

  /** The deadline has expired. The entry was removed and may be added again. Must not throw. */
  abstract onDeadline(): void;
}

const tickMs = 50;
/** When thousands of entries expire at the same time, other work gets a turn of the event loop after this time. */
const advanceMsMax = 10;
/** One revolution is 25.6 s. Later entries stay in their slot and are skipped once per revolution. */
const slotCount = 512;

/** The head of a ring of entries. If empty, it points to itself. */
class Slot extends Deadline {
  constructor() {
    super();
    this.deadlineBefore = this;
    this.deadlineAfter = this;
  }

  override onDeadline(): void {}
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #slots: readonly Slot[] = Array.from({ length: slotCount }, () => new Slot());
  /** Entries of the slot that is being processed, in this callback or the next. `onDeadline` may remove them. */
  readonly #expiring = new Slot();
  #count = 0;
  /** The last tick that was processed. */
  #tick: number;
  /** A timer is active. It is not cancelled with the last entry, because the next call is likely to need it. */
  #isArmed = false;
  readonly #onTimer = (): void => this.#advance();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#tick = Math.floor(clock.nowMs() / tickMs);
  }

  /** The number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Sets or replaces the deadline of `entry`. `Infinity` removes it. */
  add(entry: Deadline, dueMs: number): void {
    this.remove(entry);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    entry.dueMs = dueMs;
    if (this.#count === 0 && !this.#isArmed) this.#tick = Math.floor(this.#clock.nowMs() / tickMs);
    this.#link(entry);
    this.#count += 1;
    this.#arm();
  }

  /** Does nothing if the entry has no deadline. */
  remove(entry: Deadline): void {
    if (entry.deadlineAfter === null) return;
    unlink(entry);
    this.#count -= 1;
  }

  #link(entry: Deadline): void {
    // The first tick after the due time, so that the deadline has expired when the slot is processed. Overdue entries are next.
    const tick = Math.max(Math.ceil(entry.dueMs / tickMs), this.#tick + 1);
    const slot = this.#slots[tick % slotCount];
    if (slot !== undefined) append(slot, entry);
  }

  #arm(): void {
    if (this.#isArmed || this.#count === 0) return;
    this.#isArmed = true;
    const delayMs = (this.#tick + 1) * tickMs - this.#clock.nowMs();
    this.#clock.after(Math.max(0, delayMs), this.#onTimer);
  }

  #advance(): void {
    const nowMs = this.#clock.nowMs();
    const upTo = Math.floor(nowMs / tickMs);
    let isDone = this.#expire(nowMs);
    // After a long pause of the process, one revolution covers every slot.
    this.#tick = Math.max(this.#tick, upTo - slotCount);
    while (isDone && this.#tick < upTo) {
      this.#tick += 1;
      const slot = this.#slots[this.#tick % slotCount];
      if (slot !== undefined) move(slot, this.#expiring);
      isDone = this.#expire(nowMs);
    }
    this.#isArmed = false;
    if (isDone) this.#arm();
    else this.#armNow();
  }

  /** Returns false if the time is spent and entries remain. */
  #expire(nowMs: number): boolean {
    const untilMs = nowMs + advanceMsMax;
    for (let entry = this.#expiring.deadlineAfter; entry !== null && entry !== this.#expiring; ) {
      if (this.#clock.nowMs() > untilMs) return false;
      unlink(entry);
      if (entry.dueMs > nowMs) {
        this.#link(entry);
      } else {
        this.#count -= 1;
        entry.onDeadline();
      }
      entry = this.#expiring.deadlineAfter;
    }
    return true;
  }

  #armNow(): void {
    this.#isArmed = true;
    this.#clock.after(0, this.#onTimer);
  }
}

function append(slot: Slot, entry: Deadline): void {
  const last = slot.deadlineBefore ?? slot;
  entry.deadlineBefore = last;
  entry.deadlineAfter = slot;
  last.deadlineAfter = entry;
  slot.deadlineBefore = entry;
}

function unlink(entry: Deadline): void {
  if (entry.deadlineBefore !== null) entry.deadlineBefore.deadlineAfter = entry.deadlineAfter;
  if (entry.deadlineAfter !== null) entry.deadlineAfter.deadlineBefore = entry.deadlineBefore;
  entry.deadlineBefore = null;
  entry.deadlineAfter = null;
}

/** Moves all entries of `from`, in order, to the empty ring `to`. */
function move(from: Slot, to: Slot): void {
  const { deadlineAfter: first, deadlineBefore: last } = from;
  if (first === null || last === null || first === from) return;
  to.deadlineAfter = first;
  to.deadlineBefore = last;
  first.deadlineBefore = to;
  last.deadlineAfter = to;
  from.deadlineAfter = from;
  from.deadlineBefore = from;
}
