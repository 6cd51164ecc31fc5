/** Reads WatchResponse messages, and puts the events of each revision together. */
import { Reader } from '../../../protobuf/reader.ts';
import { type Header, KeyValue, noHeader, readHeader } from '../key-value.ts';

/** One event of a watch. */
export interface Change {
  readonly isDelete: boolean;
  readonly keyValue: KeyValue;
}

export interface WatchResponse {
  readonly header: Header;
  readonly isCreated: boolean;
  readonly isCanceled: boolean;
  /** Not 0: the start revision was compacted. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** Whether the rest of a revision follows in the next response. */
  readonly isFragment: boolean;
  readonly changes: readonly Change[];
}

/** Throws for bytes that are not a WatchResponse. */
export function readWatchResponse(message: Uint8Array): WatchResponse {
  const reader = new Reader(message);
  const changes: Change[] = [];
  let header = noHeader;
  let isCreated = false;
  let isCanceled = false;
  let isFragment = false;
  let compactRevision = 0;
  let cancelReason = '';
  while (reader.next()) {
    if (reader.field === 1) header = readHeader(reader.message());
    else if (reader.field === 3) isCreated = reader.bool();
    else if (reader.field === 4) isCanceled = reader.bool();
    else if (reader.field === 5) compactRevision = reader.number();
    else if (reader.field === 6) cancelReason = Buffer.from(reader.bytes()).toString();
    else if (reader.field === 7) isFragment = reader.bool();
    else if (reader.field === 11) {
      changes.push(readChange(message, reader.valueStart, reader.fieldEnd));
    }
  }
  if (reader.malformed) throw malformed();
  return { header, isCreated, isCanceled, compactRevision, cancelReason, isFragment, changes };
}

function readChange(message: Uint8Array, start: number, end: number): Change {
  const reader = new Reader(message, start, end);
  let isDelete = false;
  let keyValue: KeyValue | null = null;
  while (reader.next()) {
    if (reader.field === 1) isDelete = reader.number() === 1;
    else if (reader.field === 2) {
      keyValue = KeyValue.read(message, reader.valueStart, reader.fieldEnd);
    }
  }
  if (reader.malformed || keyValue === null) throw malformed();
  return { isDelete, keyValue };
}

function malformed(): Error {
  return new Error('the response of etcd is malformed');
}

/** The changes of one revision, or a part of them if there are very many. */
export interface RevisionChanges {
  readonly revision: number;
  readonly changes: readonly Change[];
  /** How many changes of the revision are in parts before this one. */
  readonly first: number;
  /** Whether this is the last part. */
  readonly isLast: boolean;
  /** Of keys and values, and of the objects that hold them. */
  readonly bytes: number;
}

/** A longer revision, such as the deletion of a large range, is queued in parts. It does not fit into a transaction anyway. */
const partChangesMax = 4_096;
const changeBytes = 256;

/** Puts the changes of each revision together. etcd sends them in the order of revisions, and splits one only in fragments. */
export class RevisionAssembler {
  /** 0: no revision is incomplete. */
  #revision = 0;
  #first = 0;
  #changes: Change[] = [];
  #bytes = 0;

  /** Returns the revisions, or parts of them, that are complete now. */
  add({ changes, isFragment }: Pick<WatchResponse, 'changes' | 'isFragment'>): RevisionChanges[] {
    const complete: RevisionChanges[] = [];
    for (const change of changes) {
      const { modRevision, key, value } = change.keyValue;
      if (modRevision !== this.#revision) {
        this.#finish(complete);
        this.#revision = modRevision;
      } else if (this.#changes.length >= partChangesMax) this.#take(complete, false);
      this.#changes.push(change);
      this.#bytes += key.length + value.length + changeBytes;
    }
    if (!isFragment) this.#finish(complete);
    return complete;
  }

  #finish(complete: RevisionChanges[]): void {
    if (this.#revision === 0) return;
    this.#take(complete, true);
    this.#revision = 0;
    this.#first = 0;
  }

  #take(complete: RevisionChanges[], isLast: boolean): void {
    complete.push({
      ...{ revision: this.#revision, changes: this.#changes, first: this.#first },
      ...{ isLast, bytes: this.#bytes },
    });
    this.#first += this.#changes.length;
    this.#changes = [];
    this.#bytes = 0;
  }
}
