/** What all caches of a process share: clock, bounds and counters. */
import type { KeysOnlyLeases } from '../etcd/releases.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Deadlines } from '../runtime/deadlines.ts';
import { CacheMemory } from './cache-memory.ts';
import { ResponseMemory } from './response-memory.ts';

export interface CacheLimits {
  /** Bytes of one range, of all ranges of a tenant, and of the process. At a bound the largest range is dropped. */
  readonly rangeBytesMax: number;
  readonly tenantBytesMax: number;
  readonly processBytesMax: number;
  /** Ranges of a tenant. Further ones are not read into memory. */
  readonly rangesMax: number;
  /**
   * Bytes of responses that are kept for later reads, or that may still wait for clients. V8 begins to search for unused ones
   * after 64 MiB, so with a lower bound reads would pass although no client waits.
   */
  readonly responseBytesMax: number;
  /** A read waits at most this long for the fence, the range and the position. Then it passes to etcd. */
  readonly waitMsMax: number;
  /**
   * For an event, with a release whose progress responses do not say where a watch is. From when the range and its revision are
   * known.
   */
  readonly unorderedWaitMsMax: number;
  /** Without an event for this long, such a read does not wait for one. */
  readonly unorderedQuietMs: number;
  /** A range is read into memory for the second list of it within this time. */
  readonly demandMs: number;
  /** While a range is used, etcd is asked at this interval whether it may still be read. */
  readonly permissionMs: number;
  /** A range that no read has used for this long is dropped. */
  readonly idleMs: number;
  /** A range that was dropped at a bound is not read again for this long. */
  readonly fullMs: number;
  /** A range that could not be read is not read again for this long. */
  readonly retryMs: number;
  /** Until the pages of a range are read. */
  readonly loadTimeoutMs: number;
  /** The first page has this many keys, and later ones about `pageBytes`. */
  readonly firstPageKeys: number;
  readonly pageKeysMax: number;
  readonly pageBytes: number;
  /** While a read waits, etcd is asked for the position of the watch at intervals that grow from the first to the second of these. */
  readonly progressRetryMsMin: number;
  readonly progressRetryMs: number;
}

/** Without a limit of the container. */
export const cacheLimits: CacheLimits = {
  rangeBytesMax: 16 << 20,
  tenantBytesMax: 32 << 20,
  processBytesMax: 64 << 20,
  rangesMax: 64,
  responseBytesMax: 96 << 20,
  waitMsMax: 1_000,
  unorderedWaitMsMax: 20,
  unorderedQuietMs: 1_000,
  demandMs: 10_000,
  permissionMs: 2_000,
  idleMs: 60_000,
  fullMs: 60_000,
  retryMs: 1_000,
  loadTimeoutMs: 10_000,
  firstPageKeys: 256,
  pageKeysMax: 10_000,
  pageBytes: 1 << 20,
  progressRetryMsMin: 5,
  progressRetryMs: 100,
};

/** Why etcd responses a read of a tenant with `cache-reads`. */
export const missReasons = [
  'single-key',
  'old-revision',
  'unusual',
  'credentials',
  'unwatched',
  'first',
  'dropped',
  'ranges',
  'late',
  'fence',
  'order',
  'slow-client',
  'response-memory',
] as const;
export type MissReason = (typeof missReasons)[number];

/** Counters for metrics. */
export class CacheStats {
  serializableHits = 0;
  linearizableHits = 0;
  /** Hits whose response was built for an earlier read. */
  sharedResponses = 0;
  /** Bytes of responses from memory. */
  responseBytes = 0;
  readonly misses: Record<MissReason, number> = Object.fromEntries(
    missReasons.map((reason) => [reason, 0]),
  ) as Record<MissReason, number>;
  /** Linearizable reads that had their revision, and the sum of the time that they waited for it. */
  fencedReads = 0;
  fenceMs = 0;
  /** Ranges in memory, and how many were read and dropped so far. */
  ranges = 0;
  loads = 0;
  drops = 0;
}

export interface CacheContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly limits: CacheLimits;
  readonly stats: CacheStats;
  readonly memory: CacheMemory;
  readonly responseMemory: ResponseMemory;
  /**
   * Whether progress responses come after all events up to their revision. Before 3.4.25 and 3.5.8 they do not, so only an
   * event shows that a range is complete up to a revision.
   */
  readonly ordersProgress: () => boolean;
  readonly keysOnlyLeases: () => KeysOnlyLeases;
}

export function newCacheContext(
  parts: Pick<CacheContext, 'clock' | 'deadlines' | 'ordersProgress' | 'keysOnlyLeases'>,
  limits: CacheLimits,
): CacheContext {
  return {
    ...parts,
    limits,
    stats: new CacheStats(),
    memory: new CacheMemory(limits),
    responseMemory: new ResponseMemory(limits.responseBytesMax),
  };
}
