/**
 * Reads a range at one revision, in pages. The first page is a linearizable read of the current revision, and the others are
 * reads of the same revision.
 */
import { builtMessage, type Call, type Etcd } from '../call/call.ts';
import type { KeyRange } from '../etcd/key-range.ts';
import { method } from '../etcd/methods.ts';
import { revisionOf } from '../etcd/response-header.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { Code } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { CacheLimits } from './cache-context.ts';
import { type Entry, readEntry } from './entry.ts';

const range = method('etcdserverpb.KV/Range');
const firstKey = Uint8Array.of(0);

/** The key of a watched range for a read. An empty key means the first possible one to a watch, and is an error in a read. */
export function readableKey({ key }: KeyRange): Uint8Array {
  return key.length === 0 ? firstKey : key;
}

export interface LoadOwner {
  /** The revision that the range is read at, and how many keys it has. */
  onRevision(revision: number, count: number): void;
  onEntry(entry: Entry): void;
  onLoaded(): void;
  /** A page could not be read. Nothing follows. */
  onLoadFailed(): void;
}

export class Load {
  readonly #next: Etcd<'tenant'>;
  readonly #newCall: (readMethod: typeof range) => Call;
  readonly #limits: CacheLimits;
  readonly #owner: LoadOwner;
  readonly #end: Uint8Array;
  #key: Uint8Array;
  #revision = 0;
  #keys = 0;
  #bytes = 0;
  #handle: CallHandle = endedCall;
  #isOver = false;

  constructor(
    next: Etcd<'tenant'>,
    newCall: (readMethod: typeof range) => Call,
    limits: CacheLimits,
    read: KeyRange,
    owner: LoadOwner,
  ) {
    this.#next = next;
    this.#newCall = newCall;
    this.#limits = limits;
    this.#owner = owner;
    this.#key = readableKey(read);
    this.#end = read.end;
  }

  readPage(): void {
    const request = new Writer()
      .bytes(1, this.#key)
      .bytes(2, this.#end)
      .varint(3, this.#pageKeys())
      .varint(4, this.#revision)
      .finish();
    const response = new CollectedResponse((ended, message) => {
      if (this.#isOver) return;
      if (ended.code !== Code.OK || message === null) this.#fail();
      else this.#onPage(message);
    });
    const handle = this.#next.unary(this.#newCall(range), builtMessage(request), response);
    // A response may have arrived already, and the next page may have been requested.
    if (!response.hasEnded) this.#handle = handle;
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handle.cancel();
  }

  #pageKeys(): number {
    const { firstPageKeys, pageKeysMax, pageBytes } = this.#limits;
    if (this.#keys === 0) return firstPageKeys;
    const average = this.#bytes / this.#keys;
    return Math.max(1, Math.min(pageKeysMax, Math.floor(pageBytes / average)));
  }

  #onPage(message: Uint8Array): void {
    const page = readPage(message);
    if (page === null) {
      this.#fail();
      return;
    }
    if (this.#revision === 0) {
      this.#revision = page.revision;
      this.#owner.onRevision(page.revision, page.count);
    }
    for (const entry of page.entries) {
      // A bound may be reached at any entry.
      if (this.#isOver) return;
      this.#keys += 1;
      this.#bytes += entry.field.length;
      this.#owner.onEntry(entry);
    }
    if (this.#isOver) return;
    const last = page.entries.at(-1);
    if (page.hasMore && last !== undefined) {
      this.#key = Buffer.from(`${last.key}\0`, 'latin1');
      this.readPage();
    } else {
      this.#isOver = true;
      this.#owner.onLoaded();
    }
  }

  #fail(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.onLoadFailed();
  }
}

interface Page {
  readonly revision: number;
  readonly entries: readonly Entry[];
  readonly hasMore: boolean;
  /** Keys in the range from the first one of the page on. */
  readonly count: number;
}

/** Reads a RangeResponse. Null if it is malformed, has no revision, or announces keys that it does not have. */
function readPage(message: Uint8Array): Page | null {
  let revision = 0;
  let count = 0;
  let hasMore = false;
  const entries: Entry[] = [];
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field === 1) revision = revisionOf(reader.bytes());
    else if (reader.field === 3) hasMore = reader.bool();
    else if (reader.field === 4) count = reader.safeNumber();
    else if (reader.field === 2) {
      const entry = readEntry(reader);
      if (entry === null) return null;
      entries.push(entry);
    }
  }
  const isWhole = !(reader.malformed || revision === 0 || (hasMore && entries.length === 0));
  return isWhole ? { revision, entries, hasMore, count } : null;
}
