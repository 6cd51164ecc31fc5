/**
 * Many deadlines for the price of one timer. A hashed wheel: adding and removing are a few pointer writes, and the clock
 * is asked for one timer at a time, none when nothing waits. Coarse on purpose: a deadline is met up to one step late
 * and never early. It is for time limits, which are rarely reached, not for pacing.
 */
import type { Clock } from './clock.ts';

/**
 * Something with a time limit. Whoever has one extends this, so that waiting allocates nothing; at any moment an entry
 * waits for one deadline or for none.
 */
export abstract class Deadline {
  /** When it is due, on the clock's monotonic scale. Written by `Deadlines` alone, as are the links. */
  dueMs = 0;
  deadlineBefore: Deadline | null = null;
  deadlineAfter: Deadline | null = null;

  /** The time is over. The entry no longer waits and may be added again. Must not throw. */
  abstract onDeadline(): void;
}

const stepMs = 50;
/** Slots of one turn, 25.6 s. What is due later stays in its slot and is passed over once per turn. */
const slotCount = 512;

/** The head of a ring of entries; an empty one points to itself. */
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
  /** Entries of the slot that is being looked through. They may be removed meanwhile. */
  readonly #passing = new Slot();
  #count = 0;
  /** The last step that was looked through. */
  #step: number;
  /** A timer is under way. It is left alone when the last entry goes, since the next call is likely to need it. */
  #armed = false;
  readonly #onTimer = (): void => this.#advance();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#step = Math.floor(clock.nowMs() / stepMs);
  }

  /** How many entries wait. */
  get count(): number {
    return this.#count;
  }

  /** Lets `entry` wait until `dueMs`, in place of what it waited for before. `Infinity` waits for nothing. */
  add(entry: Deadline, dueMs: number): void {
    this.remove(entry);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    entry.dueMs = dueMs;
    if (this.#count === 0 && !this.#armed) this.#step = Math.floor(this.#clock.nowMs() / stepMs);
    this.#link(entry);
    this.#count += 1;
    this.#arm();
  }

  /** Does nothing when the entry does not wait. */
  remove(entry: Deadline): void {
    if (entry.deadlineAfter === null) return;
    unlink(entry);
    this.#count -= 1;
  }

  #link(entry: Deadline): void {
    // The step after the due time, so that it is over when the slot is looked through; what is overdue comes next.
    const step = Math.max(Math.ceil(entry.dueMs / stepMs), this.#step + 1);
    const slot = this.#slots[step % slotCount];
    if (slot !== undefined) append(slot, entry);
  }

  #arm(): void {
    if (this.#armed || this.#count === 0) return;
    this.#armed = true;
    const delayMs = (this.#step + 1) * stepMs - this.#clock.nowMs();
    this.#clock.after(Math.max(0, delayMs), this.#onTimer);
  }

  #advance(): void {
    const nowMs = this.#clock.nowMs();
    const upTo = Math.floor(nowMs / stepMs);
    // After a long pause of the process one turn meets every slot.
    this.#step = Math.max(this.#step, upTo - slotCount);
    while (this.#step < upTo) {
      this.#step += 1;
      const slot = this.#slots[this.#step % slotCount];
      if (slot !== undefined) this.#passSlot(slot, nowMs);
    }
    this.#armed = false;
    this.#arm();
  }

  #passSlot(slot: Slot, nowMs: number): void {
    move(slot, this.#passing);
    for (let entry = this.#passing.deadlineAfter; entry !== null && entry !== this.#passing; ) {
      unlink(entry);
      if (entry.dueMs > nowMs) {
        append(slot, entry);
      } else {
        this.#count -= 1;
        entry.onDeadline();
      }
      entry = this.#passing.deadlineAfter;
    }
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

/** All entries of `from`, in their order, to the empty ring `to`. */
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
