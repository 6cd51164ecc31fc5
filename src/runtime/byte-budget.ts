/**
 * Bounds the memory of large messages. Accounts form a tree: a connection belongs to a tenant, and a tenant to a share of the
 * process. A hold is one message, or one queue of messages, that counts in an account and in all accounts above it.
 *
 * Bytes that have arrived are always counted. What has not arrived yet is reserved first: a message that is longer than the
 * window of its stream waits in line until its whole length fits, and until then its peer gets no more window. A quarter of
 * each account is not for reservations. It holds what arrives without one. A message that is alone is never refused.
 *
 *   counted ─reserve→ waiting ─fits→ reserved ─release→ ∅;   any ─shed→ ∅
 *
 * Holds are shed, the most expensive first, after a read in which more was counted than the share permits, and while
 * others wait in line behind holds that do not move. A hold that has waited too long is shed, too.
 */
import type { CancelTimer, Clock } from './clock.ts';
import { type Defer, deferToTurn } from './turn.ts';

const tickMs = 250;
/** Ticks without a byte after which a hold makes room for one that waits. */
const idleTicksMax = 4;
/** Ticks after which a hold that waits for memory is refused. */
const waitTicksMax = 20;
/** Ticks after which a hold is refused that its receiver does not want, for example because the client does not read. */
const unwantedTicksMax = 60;
/** While holds wait in line, this many bytes must be free again before the line is served. */
const freedBytesMin = 131_072;

/** Bytes of a connection, of a tenant or of a share. */
export class ByteAccount {
  readonly share: ByteShare;
  readonly bytesMax: number;
  /** All bytes, those of holds that wait included. */
  bytes = 0;
  waitingBytes = 0;
  /** A hold of this account itself was shed. */
  hasShed = false;
  #parent: ByteAccount | null;

  /** Without `share` the account is a share itself. */
  constructor(bytesMax: number, share: ByteShare | null, parent: ByteAccount | null = share) {
    // Only `ByteShare` passes null.
    this.share = share ?? (this as unknown as ByteShare);
    this.bytesMax = bytesMax;
    this.#parent = parent;
  }

  /** The account below the share: the tenant, if it is known. */
  get top(): ByteAccount {
    const parent = this.#parent;
    return parent === null || parent === this.share ? this : parent.top;
  }

  /** Moves the account, with all that it counts, below another one. */
  moveTo(parent: ByteAccount): void {
    if (this.#parent === parent) return;
    this.#parent?.count(-this.bytes, -this.waitingBytes);
    this.#parent = parent;
    parent.count(this.bytes, this.waitingBytes);
  }

  count(bytes: number, waitingBytes: number): void {
    this.bytes += bytes;
    this.waitingBytes += waitingBytes;
    this.#parent?.count(bytes, waitingBytes);
  }

  /** Whether a message of `length` bytes fits beside the others that do not wait. */
  fits(length: number): boolean {
    const activeBytes = this.bytes - this.waitingBytes;
    const spareBytes = this.bytesMax / 4;
    return activeBytes + length <= this.bytesMax - spareBytes || activeBytes <= spareBytes;
  }

  /** Like `fits`, in this account and all above it except the share. */
  fitsBelowShare(length: number): boolean {
    const parent = this.#parent;
    return parent === null || (this.fits(length) && parent.fitsBelowShare(length));
  }
}

export abstract class ByteHold {
  readonly account: ByteAccount;
  bytes = 0;
  /** The length to reserve, while the hold is in line. */
  wantedBytes = 0;
  isWaiting = false;
  /** Its length was reserved. */
  isReserved = false;
  /** Bytes have moved since the last tick. */
  hasMoved = true;
  idleTicks = 0;
  waitedTicks = 0;

  constructor(account: ByteAccount) {
    this.account = account;
  }

  get isIdle(): boolean {
    return this.idleTicks >= idleTicksMax;
  }

  /** Whether `onShed` can give the memory back. */
  abstract get canShed(): boolean;
  /** Whether the length may be reserved now. If that becomes true later, `reconsider` must be called. */
  get isWanted(): boolean {
    return true;
  }

  /** The length is reserved. */
  abstract onReserved(): void;
  /** Gives the memory back, and ends the call that the bytes belong to. */
  abstract onShed(): void;

  /** Counts bytes that have arrived. */
  count(bytes: number): void {
    this.account.share.add(this, bytes);
  }

  /** Asks for `length` bytes in total. `onReserved` follows: at once if they fit, otherwise when they do. */
  reserve(length: number): void {
    this.account.share.enqueue(this, length);
  }

  /** The hold has become wanted. */
  reconsider(): void {
    if (!this.isWaiting) return;
    this.waitedTicks = 0;
    this.account.share.reconsider(this);
  }

  /** Stops counting `bytes`, by default all. */
  release(bytes = this.bytes): void {
    if (this.bytes > 0 || this.isWaiting) this.account.share.remove(this, bytes);
  }
}

/** One purpose of memory, bounded for the process. */
export class ByteShare extends ByteAccount {
  readonly name: string;
  refusals = 0;
  readonly #clock: Clock;
  readonly #defer: Defer;
  readonly #holds = new Set<ByteHold>();
  readonly #line = new Set<ByteHold>();
  #freedBytes = 0;
  #isShedDue = false;
  #isServing = false;
  #cancelTick: CancelTimer | null = null;

  constructor(name: string, bytesMax: number, clock: Clock, defer = deferToTurn) {
    super(bytesMax, null);
    this.name = name;
    this.#clock = clock;
    this.#defer = defer;
  }

  get waitingHolds(): number {
    return this.#line.size;
  }

  add(hold: ByteHold, bytes: number): void {
    if (hold.bytes === 0) this.#holds.add(hold);
    hold.bytes += bytes;
    hold.hasMoved = true;
    hold.account.count(bytes, hold.isWaiting ? bytes : 0);
    if (this.bytes > this.bytesMax) this.#shedSoon();
  }

  enqueue(hold: ByteHold, length: number): void {
    hold.wantedBytes = length;
    hold.isWaiting = true;
    hold.waitedTicks = 0;
    hold.account.count(0, hold.bytes);
    this.#line.add(hold);
    this.reconsider(hold);
    if (hold.isWaiting) this.#tickLater();
  }

  /** Nothing has become free, so if this hold does not fit, no other one does. */
  reconsider({ account, wantedBytes }: ByteHold): void {
    if (this.fits(wantedBytes) && account.fitsBelowShare(wantedBytes)) this.#serve();
  }

  remove(hold: ByteHold, bytes: number): void {
    hold.account.count(-bytes, hold.isWaiting ? -bytes : 0);
    hold.bytes -= bytes;
    if (hold.bytes === 0) {
      this.#holds.delete(hold);
      this.#line.delete(hold);
      hold.isWaiting = false;
      hold.isReserved = false;
    }
    if (this.#line.size === 0) return;
    this.#freedBytes += bytes;
    if (hold.bytes === 0 || this.#freedBytes >= freedBytesMin) this.#serve();
  }

  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    this.#freedBytes = 0;
    for (let next = this.#next(); next !== null; next = this.#next()) this.#grant(next);
    this.#isServing = false;
  }

  /** The hold whose tenant, then whose connection, has the fewest bytes beside those that wait; of these the first in line. */
  #next(): ByteHold | null {
    let best: ByteHold | null = null;
    for (const hold of this.#line) {
      if (!hold.isWanted || !hold.account.fitsBelowShare(hold.wantedBytes)) continue;
      if (best === null || isPoorer(hold.account, best.account)) best = hold;
    }
    // A message that does not fit yet is not overtaken, or it might never fit.
    return best !== null && this.fits(best.wantedBytes) ? best : null;
  }

  #grant(hold: ByteHold): void {
    this.#line.delete(hold);
    hold.isWaiting = false;
    hold.isReserved = true;
    hold.account.count(0, -hold.bytes);
    hold.idleTicks = 0;
    this.add(hold, Math.max(0, hold.wantedBytes - hold.bytes));
    hold.onReserved();
  }

  #shedSoon(): void {
    if (this.#isShedDue) return;
    this.#isShedDue = true;
    this.#defer(() => {
      this.#isShedDue = false;
      this.#shedExcess();
      if (this.#isOver) this.#tickLater();
    });
  }

  #shedExcess(): void {
    if (!this.#isOver) return;
    let limit = this.#limit;
    for (const victim of this.#mostExpensiveFirst()) {
      // A little more than necessary, so that the next bytes do not shed again.
      if (this.bytes <= limit - this.bytesMax / 16) return;
      const isLarge = victim.bytes > this.bytesMax / 2;
      this.#shed(victim);
      if (isLarge) limit = this.#limit;
    }
  }

  get #isOver(): boolean {
    return this.bytes > this.bytesMax && this.bytes > this.#limit;
  }

  /** One message may be larger than the share. What else is there must then fit into the spare quarter. */
  get #limit(): number {
    let largestBytes = 0;
    for (const { bytes } of this.#holds) largestBytes = Math.max(largestBytes, bytes);
    return Math.max(this.bytesMax, largestBytes + this.bytesMax / 4);
  }

  #mostExpensiveFirst(): ByteHold[] {
    return [...this.#holds].filter(({ canShed }) => canShed).sort(byExpense);
  }

  #shed(hold: ByteHold): void {
    this.refusals += 1;
    hold.account.hasShed = true;
    hold.onShed();
  }

  /** Ticks only while holds wait in line, or while there is too much that cannot be shed yet. */
  #tickLater(): void {
    this.#cancelTick ??= this.#clock.after(tickMs, () => {
      this.#cancelTick = null;
      this.#tick();
      if (this.#line.size > 0 || this.#isOver) this.#tickLater();
    });
  }

  #tick(): void {
    for (const hold of this.#holds) {
      hold.idleTicks = hold.hasMoved ? 0 : hold.idleTicks + 1;
      hold.hasMoved = false;
    }
    this.#shedExcess();
    let mustMakeRoom = false;
    for (const hold of [...this.#line]) {
      hold.waitedTicks += 1;
      if (hold.waitedTicks > (hold.isWanted ? waitTicksMax : unwantedTicksMax)) this.#shed(hold);
      else if (hold.isWanted && hold.waitedTicks >= idleTicksMax) mustMakeRoom = true;
    }
    if (!mustMakeRoom) return;
    for (const hold of this.#mostExpensiveFirst()) {
      if (this.#line.size === 0) return;
      if (hold.isIdle && !hold.isWaiting) this.#shed(hold);
    }
  }
}

function activeBytes({ bytes, waitingBytes }: ByteAccount): number {
  return bytes - waitingBytes;
}

function isPoorer(a: ByteAccount, b: ByteAccount): boolean {
  const ofTops = activeBytes(a.top) - activeBytes(b.top);
  return ofTops < 0 || (ofTops === 0 && activeBytes(a) < activeBytes(b));
}

/**
 * Holds that do not move first, then those without a reservation, which alone can exceed the share, then those of connections that
 * had one shed before. Of these, those of the tenant and of the connection with most bytes, then the largest.
 */
function byExpense(a: ByteHold, b: ByteHold): number {
  return (
    Number(b.isIdle) - Number(a.isIdle) ||
    Number(a.isReserved) - Number(b.isReserved) ||
    Number(b.account.hasShed) - Number(a.account.hasShed) ||
    b.account.top.bytes - a.account.top.bytes ||
    b.account.bytes - a.account.bytes ||
    b.bytes - a.bytes
  );
}
