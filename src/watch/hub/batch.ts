/** The events of one revision in a feed's range: the unit in which watchers receive, miss and resume history. */
export interface Batch {
  readonly revision: number;
  /** The `header` field of the WatchResponse that completed the revision, with its tag. */
  readonly header: Uint8Array;
  /** The `events` fields of the revision, with their tags, in etcd's order. Shared and immutable. */
  readonly events: Uint8Array;
  readonly count: number;
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

/** Merges consecutive batches into as few chunks as the bound allows. A single batch is not copied. */
export function chunksOf(batches: readonly Batch[]): readonly Chunk[] {
  if (batches.length <= 1) return batches;
  const chunks: Chunk[] = [];
  let first = 0;
  let bytes = 0;
  for (const [i, batch] of batches.entries()) {
    if (i > first && bytes + batch.events.length > chunkBytesMax) {
      chunks.push(merged(batches.slice(first, i)));
      first = i;
      bytes = 0;
    }
    bytes += batch.events.length;
  }
  chunks.push(merged(batches.slice(first)));
  return chunks;
}

function merged(batches: readonly Batch[]): Chunk {
  const last = batches.at(-1) as Batch;
  if (batches.length === 1) return last;
  return {
    revision: last.revision,
    header: last.header,
    events: Buffer.concat(batches.map(({ events }) => events)),
    count: batches.reduce((sum, { count }) => sum + count, 0),
  };
}
