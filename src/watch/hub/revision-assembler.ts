/**
 * Groups the events of one upstream watch into batches, a batch per revision. A revision may be cut into fragments; it is
 * complete when the response that is not a fragment has arrived. Batches at or below the position are dropped: before 3.4.38,
 * 3.5.22 and 3.6.2 etcd leaked older events to a watch that starts in the future.
 */
import { type Batch, chunkBytesMax } from './batch.ts';
import type { WatchResponse } from './watch-response.ts';

const none: readonly Batch[] = [];

export class RevisionAssembler {
  /** Everything up to this revision has been assembled. */
  position: number;
  /** Complete batches of a response whose fragments are still arriving. */
  #complete: Batch[] = [];
  #completeBytes = 0;
  /** The pieces of the newest revision, which the next fragment may continue. */
  #pieces: Uint8Array[] = [];
  #pieceRevision = 0;
  #pieceCount = 0;

  constructor(position: number) {
    this.position = position;
  }

  /** Takes a response with events or without. Returns the batches that are complete now, in order. */
  take(response: WatchResponse): readonly Batch[] {
    for (let i = 0; i < response.events; ) i = this.#takeRevision(response, i);
    if (response.isFragment && this.#completeBytes < chunkBytesMax) return none;
    if (!response.isFragment) {
      this.#finishRevision(response.header);
      const revision = response.events === 0 ? response.revision : this.#newest();
      this.position = Math.max(this.position, revision);
    } else {
      this.position = Math.max(this.position, this.#newest());
    }
    if (this.#complete.length === 0) return none;
    const batches = this.#complete;
    this.#complete = [];
    this.#completeBytes = 0;
    return batches;
  }

  /** etcd has begun the watch after this revision. */
  startAfter(revision: number): void {
    this.position = revision;
  }

  /** The watch begins again after the position. Drops what was not complete: it is sent again. */
  restart(): void {
    this.#complete = [];
    this.#completeBytes = 0;
    this.#pieces = [];
    this.#pieceRevision = 0;
    this.#pieceCount = 0;
  }

  #newest(): number {
    return this.#complete.at(-1)?.revision ?? 0;
  }

  /** Takes the run of events from `first` on that have one revision. Returns the index after it. */
  #takeRevision(response: WatchResponse, first: number): number {
    const { message, starts, ends, revisions, header } = response;
    const revision = revisions[first] as number;
    let last = first;
    while (last + 1 < response.events && revisions[last + 1] === revision) last += 1;
    if (revision !== this.#pieceRevision) this.#finishRevision(header);
    if (revision > this.position) {
      this.#pieceRevision = revision;
      this.#pieceCount += last - first + 1;
      this.#collect(message, starts, ends, first, last);
    }
    return last + 1;
  }

  /** Events are nearly always contiguous, and then one view holds them all. */
  #collect(
    message: Uint8Array,
    starts: readonly number[],
    ends: readonly number[],
    first: number,
    last: number,
  ): void {
    let from = first;
    for (let i = first; i <= last; i++) {
      if (i < last && starts[i + 1] === ends[i]) continue;
      this.#pieces.push(message.subarray(starts[from] as number, ends[i] as number));
      from = i + 1;
    }
  }

  #finishRevision(header: Uint8Array): void {
    if (this.#pieceRevision === 0) return;
    const events =
      this.#pieces.length === 1 ? (this.#pieces[0] as Uint8Array) : Buffer.concat(this.#pieces);
    this.#complete.push({
      revision: this.#pieceRevision,
      header,
      events,
      count: this.#pieceCount,
      block: null,
      offset: 0,
    });
    this.#completeBytes += events.length;
    this.#pieces = [];
    this.#pieceRevision = 0;
    this.#pieceCount = 0;
  }
}
