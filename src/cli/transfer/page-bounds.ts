/**
 * Bounds the range of the request for each page. etcd counts all keys of a requested range, also those behind the limit, so
 * requests for the whole rest of a namespace cost etcd the square of its keys. Here a request ends with the keys that share
 * their first bytes with its position. The number of these bytes adapts: a page that is a small part of its range makes the
 * next ranges narrower, and a range with few keys makes them wider. It never decides which keys are read.
 */
import { isOpenEnd, type KeyRange } from '../../etcd/key-range.ts';
import { prefixEnd } from '../../etcd/key-space.ts';
import type { Page } from './key-value.ts';

/** A range of so many pages is narrowed if a narrower one would still have a page. */
const pagesWanted = 2;
/** A range of so many pages is narrowed in any case. */
const pagesMax = 8;
/** A range with less than this share of a page is too narrow. One more byte divides the largest range into 256 at most. */
const pageShareMin = pagesMax / 256;
/** Ranges that are too narrow, one after another. After so many the rest is requested as a whole. */
const narrowMax = 64;
/** If a page has keys of so many groups and one more, a range of one group has a good share of a page. */
const groupsMax = 2;

export class PageBounds {
  readonly #range: KeyRange;
  /** The keys of a request share this many bytes with its position. */
  #sharedBytes = 0;
  /** Keys found since the end of the last range. */
  #found = 0;
  #narrowRanges = 0;

  /** `range` is all that will be read. */
  constructor(range: KeyRange) {
    this.#range = range;
  }

  /** The end of a request for keys from `position` on. It is after `position`, and at most the end of all. */
  endFrom(position: Uint8Array): Uint8Array {
    const { end } = this.#range;
    const bound = this.#sharedBytes > 0 ? prefixEnd(position.subarray(0, this.#sharedBytes)) : null;
    if (bound === null) return end;
    return isOpenEnd(end) || Buffer.compare(bound, end) < 0 ? bound : end;
  }

  /** Adapts to a page, which may have no keys. `limit` is that of the next request. */
  onPage({ keyValues, count, hasMore }: Omit<Page, 'encoded'>, limit: number): void {
    const [first, last] = [keyValues[0], keyValues.at(-1)];
    this.#found += keyValues.length;
    if (hasMore && first !== undefined && last !== undefined) {
      this.#narrowRanges = 0;
      this.#narrow(count / keyValues.length, sharedBytes(first.key, last.key));
      return;
    }
    if (this.#found < limit * pageShareMin) this.#widen();
    else this.#narrowRanges = 0;
    this.#found = 0;
  }

  #narrow(pages: number, sharedByPage: number): void {
    if (pages > pagesWanted && sharedByPage > this.#sharedBytes) this.#sharedBytes = sharedByPage;
    else if (pages > pagesMax) this.#sharedBytes += 1;
  }

  #widen(): void {
    this.#narrowRanges += 1;
    if (this.#narrowRanges > narrowMax) this.#sharedBytes = 0;
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
