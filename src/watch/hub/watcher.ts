/**
 * One watch of a client.
 *
 *   joining ─created─▶ live ⇄ detached ─history evicted─▶ private ─caught up─▶ live
 *      │                 ▲
 *      │  ├─▶ future ────┘ when its start revision is reached
 *      └──┴─▶ private
 *   any ─cancelled, compacted, stream ended─▶ ended
 */
import type { KeyRange } from '../../etcd/key-range.ts';
import type { Status } from '../../grpc/status.ts';
import type { EventFilter } from '../stream/messages.ts';
import type { Batch, Chunk } from './batch.ts';
import type { History } from './history.ts';
import type { HubStats } from './hub-context.ts';
import type { WatchResponse } from './watch-response.ts';

export const WatcherState = {
  /** Waits for a fence, a feed, or the responses to earlier creates of its stream. */
  JOINING: 0,
  /** Has everything that its feed has delivered. */
  LIVE: 1,
  /** Its stream applied backpressure. Continues from the history of the feed. */
  DETACHED: 2,
  /** Starts at a revision that the feed has not reached. */
  FUTURE: 3,
  /** Catches up through a watch of its own. */
  PRIVATE: 4,
  ENDED: 5,
} as const;

/** The client stream of a watcher. */
export interface WatcherStream {
  /** The client applies backpressure. */
  readonly isPaused: boolean;
  /**
   * The watch can be created. The stream responds in the order of its creates and then calls `TenantHub.start`. `header` is
   * the content of a ResponseHeader.
   */
  onReady(watcher: Watcher, header: Uint8Array): void;
  deliverChunk(watcher: Watcher, chunk: Chunk): void;
  /** An empty response with the watcher's ID. `header` is the `header` field with its tag. */
  deliverPosition(watcher: Watcher, header: Uint8Array): void;
  /** `TenantHub.resume` is to be called once the client takes responses again. */
  onDetached(watcher: Watcher): void;
  /** The watch has ended, or its create was rejected. `response` says why and is valid until the call returns. */
  onWatchEnded(watcher: Watcher, response: WatchResponse): void;
  /** The whole stream has to end. */
  onStreamEnded(status: Status): void;
}

/** `broken`: the upstream watch is lost and will be opened again. `closed`: for good. */
export type FeedState = 'opening' | 'live' | 'broken' | 'closed';

/** The feed of a watcher, as far as its watchers need it. */
export interface WatcherFeed {
  readonly state: FeedState;
  /** Everything up to this revision has been delivered to live watchers. */
  readonly rounded: number;
  /** The newest header field from upstream, with its tag. */
  readonly header: Uint8Array;
  /** Watchers that wait until the feed is live. */
  readonly waiting: Set<Watcher>;
  /** Whether the history reaches back to the watcher's next revision. */
  hasHistoryFor(watcher: Watcher): boolean;
  /** Delivers the history from the watcher's next revision on. Returns false if its stream was paused before the end. */
  catchUp(watcher: Watcher): boolean;
  /** Makes a watcher live whose next revision is the next one to be delivered, or lets it wait for a later one. */
  admit(watcher: Watcher): void;
  /** Takes a watcher out of the feed, whatever its state. */
  remove(watcher: Watcher): void;
  /** Whether live watchers have everything up to `revision`. */
  hasReached(revision: number): boolean;
  /** Calls `reached` once that is so, and never if the feed closes before. */
  whenAt(revision: number, reached: () => void): void;
}

/** The watchers of a feed that see the same events. */
export interface WatcherView {
  /** What watchers of this view receive of `batches`. */
  encode(batches: readonly Batch[]): readonly Chunk[];
  /** The beginning of what watchers of this view receive of the revisions from `from` up to and including `to`. */
  excerpt(
    history: History,
    from: number,
    to: number,
  ): { readonly to: number; readonly chunks: readonly Chunk[] };
  /** The watcher's state is the caller's to set. */
  add(watcher: Watcher): void;
  /** Does nothing if the watcher is not live. */
  remove(watcher: Watcher): void;
}

/** What a client asked for. */
export interface WatcherSpec {
  /** A watcher with a feed has the equal range of the feed, so that all its watchers hold the bytes once. */
  range: KeyRange;
  /** 0: from the next revision on. */
  readonly startRevision: number;
  /** It was the tenant's compacted revision when the create arrived. */
  readonly startsAtFloor: boolean;
  /** The range cannot contain a key: etcd rejects the create. */
  readonly isEmpty: boolean;
  readonly prevKv: boolean;
  readonly filter: EventFilter;
  readonly hasFragments: boolean;
  readonly hasProgressNotify: boolean;
}

/** Moves a watcher to another state and counts the watchers that lag behind their feed. */
export function moveTo(watcher: Watcher, state: number, stats: HubStats): void {
  if (isLagging(watcher.state)) stats.laggingWatchers -= 1;
  watcher.state = state;
  if (isLagging(state)) stats.laggingWatchers += 1;
}

/** The client of a watcher applies backpressure: it continues from its next revision once its stream takes responses. */
export function detach(watcher: Watcher, stats: HubStats): void {
  moveTo(watcher, WatcherState.DETACHED, stats);
  watcher.stream.onDetached(watcher);
}

function isLagging(state: number): boolean {
  return state === WatcherState.DETACHED || state === WatcherState.PRIVATE;
}

export class Watcher {
  readonly spec: WatcherSpec;
  readonly stream: WatcherStream;
  /** The `watch_id` field, encoded. */
  readonly idField: Uint8Array;
  /** Set by `moveTo` alone. */
  state: number = WatcherState.JOINING;
  /** The client has the response to its create. */
  isCreated = false;
  /** When its create arrived. */
  readonly joinedMs: number;
  /** The next revision to deliver. For a live watcher the feed's cursor counts if it is higher. */
  next = 0;
  feed: WatcherFeed | null = null;
  view: WatcherView | null = null;
  /** Index among the live watchers of its view, -1 if it is not live. */
  liveIndex = -1;
  /** A response has been delivered since the last progress notification. */
  isActive = false;

  constructor(spec: WatcherSpec, stream: WatcherStream, idField: Uint8Array, joinedMs: number) {
    this.joinedMs = joinedMs;
    this.spec = spec;
    this.stream = stream;
    this.idField = idField;
  }
}
