/** One watch in a stream to etcd, as its owner (a feed or a catch-up) and the stream see it. */

import type { KeyRange } from '../../etcd/key-range.ts';
import type { Status } from '../../grpc/status.ts';
import type { WatchResponse } from './watch-response.ts';

/** What an upstream watch is created with. Keys are visible ones. */
export interface UpstreamWatchSpec {
  readonly range: KeyRange;
  /** 0: from the next revision on. May be negative: etcd then decides. */
  readonly startRevision: number;
  readonly prevKv: boolean;
}

/** Receives the events of one upstream watch. `response` is valid until the call returns. */
export interface UpstreamWatchOwner {
  onCreated(response: WatchResponse): void;
  /** Events, or the position of an idle watch. */
  onEvents(response: WatchResponse): void;
  /** etcd has everything up to `response.revision` delivered on the whole stream. */
  onProgress(response: WatchResponse): void;
  /** etcd rejected the create, or cancelled the watch. Nothing follows. */
  onCanceled(response: WatchResponse): void;
  /** The stream ended under the watch. Nothing follows. */
  onLost(status: Status): void;
}

/** Returned to the owner. After `close` its owner is not called again. */
export interface UpstreamWatch {
  /** Asks etcd for the position of the stream. etcd may not respond while a watch of the stream catches up. */
  requestProgress(): void;
  close(): void;
}
