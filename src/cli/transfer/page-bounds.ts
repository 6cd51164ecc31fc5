/**
 * Bounds the range of the request for each page. etcd counts all keys of a requested range, also those behind the limit, so
 * requests for the whole rest of a namespace cost etcd the square of its keys. Here a request ends with the keys that share
 * their first bytes with its position. The number of these bytes adapts: a page that is a small part of its range makes the
 * next ranges narrower, and a range with few keys makes them wider. It never decides which keys are read.
 */
import { isOpenEnd, type KeyRange } from '../../etcd/key-range.ts';
import { prefixEnd } from '../../etcd/key-space.ts';
import type { Page } from './key-value.ts';

/** So few keys are requested as a whole: to count them takes a few milliseconds, like another round trip. */
const unboundedKeysMax = 20_000;
/** A range of so many pages is narrowed if a narrower one would still have a page. */
const pagesWanted = 2;
/** A range of so many pages is narrowed in any case. */
const pagesMax = 8;
/** A range with less than this share of a page is sparse. One more byte divides a range into 256 at most. */
const pageShareMin = pagesMax / 256;
/** Sparse ranges, one after another. After so many the rest is requested as a whole. */
const sparseMax = 64;
/** If a page has keys of so many groups and one more, a range of one group has a good share of a page. */
const groupsMax = 2;

export class PageBounds {
  readonly #range: KeyRange;
  /** The keys of a request share this many bytes with its position. */
  #sharedBytes = 0;
  /** Whether the last request was for all remaining keys. */
  #isWhole = true;
  /** Keys that are not read yet. A page at the current revision may change it. */
  #remaining = Number.POSITIVE_INFINITY;
  /** Keys found since the end of the last range. */
  #found = 0;
  #sparse = 0;

  /** `range` is all that will be read. */
  constructor(range: KeyRange) {
    this.#range = range;
  }

  /** The end of the next request, which is for keys from `position` on. At most the end of all. */
  endFrom(position: Uint8Array): Uint8Array {
    const { end } = this.#range;
    const isBounded = this.#sharedBytes > 0 && this.#remaining > unboundedKeysMax;
    const bound = isBounded ? prefixEnd(position.subarray(0, this.#sharedBytes)) : null;
    this.#isWhole = bound === null || (!isOpenEnd(end) && Buffer.compare(bound, end) >= 0);
    return bound === null || this.#isWhole ? end : bound;
  }

  /** Adapts to the page of the last request. It may have no keys. `limit` is that of the next request. */
  onPage({ keyValues, count, hasMore }: Omit<Page, 'encoded'>, limit: number): void {
    const [first, last] = [keyValues[0], keyValues.at(-1)];
    this.#remaining = (this.#isWhole ? count : this.#remaining) - keyValues.length;
    this.#found += keyValues.length;
    if (hasMore && first !== undefined && last !== undefined) {
      this.#sparse = 0;
      this.#narrow(count / keyValues.length, sharedBytes(first.key, last.key));
      return;
    }
    if (this.#found < limit * pageShareMin) this.#widen();
    else this.#sparse = 0;
    this.#found = 0;
  }

  #narrow(pages: number, sharedByPage: number): void {
    if (pages > pagesWanted && sharedByPage > this.#sharedBytes) this.#sharedBytes = sharedByPage;
    else if (pages > pagesMax) this.#sharedBytes += 1;
  }

  #widen(): void {
    this.#sparse += 1;
    if (this.#sparse > sparseMax) this.#sharedBytes = 0;
    else if (this.#sharedBytes > 0) this.#sharedBytes -= 1;
  }
}

/** The number of bytes that the keys of a page share, and one more if these keys are of few groups. */
function sharedBytes(first: Uint8Array, last: Uint8Array): number {
  let shared = 0;
  while (shared < first.length && first[shared] === last[shared]) shared += 1;
  const groups = (last[shared] ?? 0) - (first[shared] ?? 0);
  return groups <= groupsMax ? shared + 1 : shared;
}
