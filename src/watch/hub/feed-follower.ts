/** What follows a feed to keep the current state of its range. */
import type { Batch } from './batch.ts';

/** Receives everything that arrives in a feed, before the watchers of the feed do. */
export interface FeedFollower {
  /** `batches` are valid until the call returns. */
  onBatches(batches: readonly Batch[]): void;
  /** Everything up to `revision` has arrived, as an etcd with ordered progress has reported. */
  onPosition(revision: number): void;
  /** The watch at etcd is lost, or the feed is closed. Nothing follows. */
  onInterrupted(): void;
}
