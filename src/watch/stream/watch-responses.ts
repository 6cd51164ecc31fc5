/**
 * The way back of one client's watch stream. What comes from etcd passes through unchanged; in between go the answers
 * that the proxy gives itself. Clients pair creates and their answers by order alone, so an answer of the proxy waits
 * until etcd has answered every create before it. Nothing of etcd's ever waits.
 */
import type { Reply } from '../../call/call.ts';
import { refusals } from '../../call/refusals.ts';
import type { CompactionFloor } from '../../tenant/tenant.ts';
import type { Status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { varintField } from '../../protobuf/varint-field.ts';
import type { Watcher, WatchIds } from './watch-ids.ts';
import { type LocalAnswer, writeAnswer } from './messages.ts';

/** The four numbers of a header take 11 bytes each at most. A longer one is not kept. */
const headerBytesMax = 64;

const limitAnswer: LocalAnswer = { kind: 'refused', reason: refusals['watch-limit'].text };

/** What the client is still to get, in its order: etcd's answer to a create, or one of the proxy's. */
type Awaited =
  | { readonly from: 'etcd'; readonly watcher: Watcher | null; next: Awaited | null }
  | { readonly from: 'proxy'; readonly answer: LocalAnswer; next: Awaited | null };

export class WatchAnswers implements Reply<'store'> {
  /** Nothing is said to either side any more. */
  isOver = false;
  /** Answers in the queue. Its owner bounds it. */
  awaited = 0;
  readonly #above: Reply<'store'>;
  readonly #ids: WatchIds;
  readonly #floor: CompactionFloor;
  #first: Awaited | null = null;
  #last: Awaited | null = null;
  /** Creates over a limit, to be refused when the queue is empty: counted, not queued, so that they cost nothing. */
  #overLimit = 0;
  /** The client cannot take more: answers of the proxy stay in the queue. */
  #isPaused = false;
  /** The newest header on this stream, copied because it is kept for long. */
  readonly #header = new Uint8Array(headerBytesMax);
  #headerBytes = 0;

  constructor(above: Reply<'store'>, ids: WatchIds, floor: CompactionFloor) {
    this.#above = above;
    this.#ids = ids;
    this.#floor = floor;
  }

  /** Refusals are due that stand behind the whole queue. Until they are out, whatever is created joins them. */
  get isOverLimit(): boolean {
    return this.#overLimit > 0;
  }

  /** A create is being sent to etcd. `watcher` is null when its refusal is certain. */
  expect(watcher: Watcher | null): void {
    this.#push({ from: 'etcd', watcher, next: null });
  }

  /** Answers for the proxy, in turn. */
  answer(answer: LocalAnswer): void {
    this.#push({ from: 'proxy', answer, next: null });
    this.#flush();
  }

  /** Refuses a create because of a limit. */
  refuse(): void {
    this.#overLimit += 1;
    this.#flush();
  }

  hold(): void {
    this.#isPaused = true;
  }

  /** Returns whether the client can still take more after what was held back. */
  release(): boolean {
    this.#isPaused = false;
    this.#flush();
    return !this.#isPaused;
  }

  message(bytes: Uint8Array): void {
    if (this.isOver) return;
    let isCreated = false;
    let isCanceled = false;
    const reader = new Reader(bytes);
    while (reader.next()) {
      if (reader.field === 1) this.#remember(bytes, reader.valueStart, reader.fieldEnd);
      else if (reader.field === 3) isCreated = reader.bool();
      else if (reader.field === 4) isCanceled = reader.bool();
    }
    if (isCreated) this.#settle(bytes, isCanceled);
    this.#above.message(bytes);
    if (isCreated) this.#flush();
  }

  end(status: Status): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#above.end(status);
  }

  pause(): void {
    if (!this.isOver) this.#above.pause();
  }

  resume(): void {
    if (!this.isOver) this.#above.resume();
  }

  /**
   * etcd has answered the oldest create that it has. The proxy's answers before it go out now, also to a paused client:
   * the order matters more, and the queue is bounded.
   */
  #settle(created: Uint8Array, isRefused: boolean): void {
    let first = this.#shift();
    while (first?.from === 'proxy') {
      this.#write(first.answer);
      first = this.#shift();
    }
    if (first === null) return;
    const id = varintField(created, 2);
    const isHeld = !isRefused && typeof id === 'bigint';
    this.#ids.settle(first.watcher, isHeld ? id : null);
  }

  #flush(): void {
    while (!(this.#isPaused || this.isOver) && this.#first?.from !== 'etcd') {
      const first = this.#shift();
      if (first?.from === 'proxy') this.#write(first.answer);
      else if (this.#overLimit > 0) {
        this.#overLimit -= 1;
        this.#write(limitAnswer);
      } else return;
    }
  }

  #write(answer: LocalAnswer): void {
    const seen = this.#header.subarray(0, this.#headerBytes);
    this.#above.message(writeAnswer(answer, seen.length > 0 ? seen : this.#floor.header));
  }

  #remember(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > headerBytesMax) return;
    // A loop, since a view for `set` would be one more object per message.
    for (let at = start; at < end; at++) this.#header[at - start] = bytes[at] as number;
    this.#headerBytes = end - start;
  }

  #push(awaited: Awaited): void {
    if (this.#last === null) this.#first = awaited;
    else this.#last.next = awaited;
    this.#last = awaited;
    this.awaited += 1;
  }

  #shift(): Awaited | null {
    const first = this.#first;
    if (first === null) return null;
    this.#first = first.next;
    if (first.next === null) this.#last = null;
    this.awaited -= 1;
    return first;
  }
}
