/** What all shared keepalives of a process have in common: clock, bounds and counters. */
import type { Availability } from '../call/availability.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Deadlines } from '../runtime/deadlines.ts';
import type { Random } from '../runtime/random.ts';
import type { KeepAliveLimits } from './limits.ts';

/** Counters for metrics. */
export class KeepAliveStats {
  /** Client streams that share upstream streams, now. */
  clientStreams = 0;
  /** Now. */
  upstreamStreams = 0;
  requests = 0;
  /** Renewals that were sent to etcd, repetitions included. */
  renewals = 0;
  /** Renewals that were sent again because their stream was lost. */
  repetitions = 0;
}

export interface KeepAliveOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly limits: KeepAliveLimits;
  /** While no endpoint takes keepalives, renewals wait in this folder, so that those of a client that left can be dropped. */
  readonly availability: Availability;
  /** How long a request may wait while no endpoint takes keepalives. */
  readonly holdMs: number;
  /** How long a request may wait for its response in any case. */
  readonly requestTimeoutMs: number;
  /** Receives bugs that were hit outside any client's call. */
  readonly onFault: (error: unknown) => void;
}

export interface KeepAliveContext extends KeepAliveOptions {
  readonly stats: KeepAliveStats;
}
