/** The events of one revision in a feed's range: the unit in which watchers receive, miss and resume history. */
export interface Batch {
  readonly revision: number;
  /** The `header` field of the WatchResponse that completed the revision, with its tag. */
  readonly header: Uint8Array;
  /** The `events` fields of the revision, with their tags, in etcd's order. Shared and immutable. */
  readonly events: Uint8Array;
  readonly count: number;
  /** The memory that the history has copied the events to, at `offset`. Null if they are elsewhere. */
  readonly block: Uint8Array | null;
  readonly offset: number;
}

/** One or more consecutive revisions, encoded as a single response. */
export interface Chunk {
  /** The newest revision in it. */
  readonly revision: number;
  readonly header: Uint8Array;
  readonly events: Uint8Array;
  readonly count: number;
}

/**
 * Bytes of events that are merged into one response. A single revision may be larger. etcd merges up to 1,000 revisions
 * without a bound on their bytes.
 */
export const chunkBytesMax = 8 << 20;

/** A response from the history that has as many bytes ends with its block, because more events could only be added by a copy. */
const copiedBytesMax = 32 << 10;

/** Merges consecutive batches into few chunks. Batches that lie one after the other in memory are not copied. */
export function chunksOf(batches: readonly Batch[]): readonly Chunk[] {
  if (batches.length <= 1) return batches;
  const chunks: Chunk[] = [];
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < batches.length; i++) {
    const { events } = batches[i] as Batch;
    const isFull = bytes + events.length > chunkBytesMax;
    if (i > first && (isFull || (bytes >= copiedBytesMax && isBetweenBlocks(batches, i)))) {
      chunks.push(merged(batches, first, i));
      first = i;
      bytes = 0;
    }
    bytes += events.length;
  }
  chunks.push(merged(batches, first, batches.length));
  return chunks;
}

/** The batches from index `first` up to, but not including, `end`. */
function merged(batches: readonly Batch[], first: number, end: number): Chunk {
  const last = batches[end - 1] as Batch;
  if (end - first === 1) return last;
  const pieces: Uint8Array[] = [];
  let start = first;
  let count = 0;
  for (let i = first; i < end; i++) {
    count += (batches[i] as Batch).count;
    if (i + 1 < end && followsIn(batches, i + 1)) continue;
    pieces.push(joined(batches[start] as Batch, batches[i] as Batch));
    start = i + 1;
  }
  const [piece] = pieces;
  const events = pieces.length === 1 && piece !== undefined ? piece : Buffer.concat(pieces);
  return { revision: last.revision, header: last.header, events, count };
}

/** Whether the events of the batch at `index` follow in memory on those of the one before. */
function followsIn(batches: readonly Batch[], index: number): boolean {
  const before = batches[index - 1] as Batch;
  const { block, offset } = batches[index] as Batch;
  return (
    block !== null && block === before.block && before.offset + before.events.length === offset
  );
}

function isBetweenBlocks(batches: readonly Batch[], index: number): boolean {
  const { block: before } = batches[index - 1] as Batch;
  const { block } = batches[index] as Batch;
  return before !== null && block !== null && block !== before;
}

/** From the first event of `first` to the last one of `last`, which lie in one block. */
function joined(first: Batch, last: Batch): Uint8Array {
  if (first === last || first.block === null) return first.events;
  return first.block.subarray(first.offset, last.offset + last.events.length);
}
