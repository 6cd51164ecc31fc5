/** What all feeds of a process share: clock, bounds and counters. */
import type { Clock } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import type { Defer } from '../../runtime/turn.ts';
import { type HistoryLimits, historyLimits } from './history-limits.ts';

export interface HubLimits {
  readonly history: HistoryLimits;
  /** Bytes of history that are encoded at once: about as much as a stream takes before it applies backpressure. */
  readonly excerptBytes: number;
  /** A feed without watchers is kept for this long. */
  readonly lingerMs: number;
  /** While a position is waited for, etcd is asked for it at intervals that grow from the first to the second of these. */
  readonly progressRetryMsMin: number;
  readonly progressRetryMs: number;
  /** Events that an etcd without ordered progress may still have in flight get this long to arrive. */
  readonly progressGraceMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** A fence without a response for this long has failed. Shorter than `joinTimeoutMs`, so that the join continues without it. */
  readonly fenceTimeoutMs: number;
  /** A join that etcd has not responded to for this long ends its client stream with Unavailable. */
  readonly joinTimeoutMs: number;
  /** A new feed starts at the revision a client asks for if it is at most this far behind; else that client catches up privately. */
  readonly backlogRevisionsMax: number;
  /** Watches on one upstream stream; beyond it another stream is opened. */
  readonly watchesPerStreamMax: number;
}

/** Counters for metrics. */
export class HubStats {
  feeds = 0;
  watchers = 0;
  historyBytes = 0;
  rounds = 0;
  upstreamEvents = 0;
  deliveredEvents = 0;
  fences = 0;
  joinsFromHistory = 0;
  joinsNow = 0;
  joinsPrivate = 0;
  /** Watchers that are detached or catch up privately. */
  laggingWatchers = 0;
}

export interface HubContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly defer: Defer;
  readonly limits: HubLimits;
  /** For how long a join is repeated whose fence and whose own watch were lost, as after a failure of all connections. */
  readonly holdMs: number;
  readonly stats: HubStats;
  /**
   * Whether progress responses of a whole stream come after all events up to their revision. Before 3.4.25 and 3.5.8 etcd
   * responds at once, even past events of a watch that is still catching up.
   */
  readonly ordersProgress: () => boolean;
  /** Receives bugs that were hit outside any client's call. */
  readonly onFault: (error: unknown) => void;
}

export const hubLimits: HubLimits = {
  history: historyLimits,
  excerptBytes: 256 << 10,
  lingerMs: 10_000,
  progressRetryMsMin: 5,
  progressRetryMs: 100,
  progressGraceMs: 20,
  backoffMsMin: 50,
  backoffMsMax: 3_000,
  fenceTimeoutMs: 3_000,
  joinTimeoutMs: 10_000,
  backlogRevisionsMax: 1_000,
  watchesPerStreamMax: 512,
};
