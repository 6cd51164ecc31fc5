/**
 * The requests of a call whose client compresses them, in order. It exists from the first compressed request of a call on. A
 * request that inflates to little is passed on at once, as if it had arrived like that. Any other one is inflated on a
 * thread, and until then all that follows on the stream waits here: requests, compressed or not, and the end of the requests.
 *
 * Before a request is inflated, the memory that its result can need is reserved, so compressed requests cannot take more
 * memory than others. While the handler applies backpressure or a request is inflated, the client gets no more window, and
 * waiting requests stay compressed.
 *
 *   idle ─long request─▶ reserving ─▶ inflating ─▶ idle, or reserving with the next one;   any ─drop─▶ dropped
 */
import { type ByteAccount, ByteHold } from '../../runtime/byte-budget.ts';
import { InflateFault, inflateAtOnce, inflatedBytesMax } from './inflate.ts';
import { InflateJob, type InflateSlots } from './inflate-slots.ts';

/** The call that the requests belong to. */
export interface CompressedRequestsOwner {
  /** The next request. Returns false if no more are wanted. */
  onInflated(request: Buffer): boolean;
  /** All requests were passed on, and no more follow. */
  onAllInflated(): void;
  /** A request is not valid, or over the limit. */
  onBadMessage(code: number, text: string): void;
  /** The process has no memory for a request. */
  onMemoryRefused(): void;
  /** Whether a request still counts when it was passed on: until `drop`. */
  readonly keepsMessages: boolean;
  /** Whether the call of a request that was passed on may still be refused. */
  readonly isMessageUnused: boolean;
  pauseReading(): void;
  resumeReading(): void;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly isCompressed: boolean;
}

export class CompressedRequests extends ByteHold {
  readonly #owner: CompressedRequestsOwner;
  readonly #slots: InflateSlots;
  readonly #bytesMax: number;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** The request that is being inflated, or that memory is reserved for. */
  #current: Buffer | null = null;
  #job: InflateJob | null = null;
  #isHeld: boolean;
  #hasEnd = false;
  #isDropped = false;

  /** `isHeld`: the handler applies backpressure. */
  constructor(
    owner: CompressedRequestsOwner,
    slots: InflateSlots,
    account: ByteAccount,
    options: { readonly bytesMax: number; readonly isHeld: boolean },
  ) {
    super(account);
    this.#owner = owner;
    this.#slots = slots;
    this.#bytesMax = options.bytesMax;
    this.#isHeld = options.isHeld;
  }

  /** Whether what arrives has to wait. */
  get isBusy(): boolean {
    return this.#current !== null || this.#waiting.length > 0;
  }

  /** Returns false to stop reading. */
  add(bytes: Buffer, isCompressed: boolean): boolean {
    if (!this.isBusy && !this.#isHeld && isCompressed) {
      const result = inflateAtOnce(bytes, this.#bytesMax);
      if (result !== null) return this.#pass(result);
    }
    // The bytes may lie in the read buffer of the connection, which waiting would keep in memory.
    this.#waiting.push({ bytes: Buffer.from(bytes), isCompressed });
    this.#waitingBytes += bytes.length;
    this.count(bytes.length);
    this.#owner.pauseReading();
    this.#next();
    return !this.#isDropped;
  }

  /** The client has ended its requests. Returns false if nothing waits, so that the end can be passed on. */
  end(): boolean {
    this.#hasEnd = this.isBusy;
    return this.#hasEnd;
  }

  /** The handler applies backpressure: nothing is inflated until `unhold`. */
  hold(): void {
    this.#isHeld = true;
  }

  unhold(): void {
    this.#isHeld = false;
    this.#next();
    this.#settle();
  }

  /** The call has ended. */
  drop(): void {
    this.#isDropped = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#current = null;
    if (this.#job !== null) this.#slots.remove(this.#job);
    this.#job = null;
    this.release();
  }

  /** Memory of a thread cannot be given back. */
  override get canShed(): boolean {
    return this.#job === null && (this.isBusy || this.#owner.isMessageUnused);
  }

  override onReserved(): void {
    const current = this.#current;
    if (current === null) return;
    this.#job = new InflateJob(current, this.#bytesMax, (result) => this.#onInflated(result));
    this.#slots.add(this.#job);
  }

  override onShed(): void {
    this.drop();
    this.#owner.onMemoryRefused();
  }

  #next(): void {
    while (this.#current === null && !this.#isHeld && !this.#isDropped) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingBytes -= next.bytes.length;
      if (next.isCompressed) this.#begin(next.bytes);
      else this.#passUncounted(next.bytes);
    }
  }

  /** Nothing may be left to do. */
  #settle(): void {
    if (this.isBusy || this.#isDropped) return;
    if (this.#hasEnd) {
      this.#hasEnd = false;
      this.#owner.onAllInflated();
    } else if (!this.#isHeld) this.#owner.resumeReading();
  }

  #begin(bytes: Buffer): void {
    const result = inflateAtOnce(bytes, this.#bytesMax);
    if (result === null) {
      this.#current = bytes;
      this.reserve(this.bytes + inflatedBytesMax(bytes, this.#bytesMax));
      return;
    }
    this.#passUncounted(result);
  }

  #onInflated(result: Buffer | InflateFault): void {
    if (this.#isDropped) return;
    this.#current = null;
    this.#job = null;
    this.#passUncounted(result);
    this.#next();
    this.#settle();
  }

  /** Only what waits counts from here on. */
  #passUncounted(result: Buffer | InflateFault): void {
    this.release(this.bytes - this.#waitingBytes);
    this.#pass(result);
  }

  /** Returns false if no more requests are wanted. */
  #pass(result: Buffer | InflateFault): boolean {
    if (result instanceof InflateFault) {
      this.#owner.onBadMessage(result.code, result.text);
      return false;
    }
    if (this.#owner.keepsMessages) this.count(result.length);
    return this.#owner.onInflated(result);
  }
}
