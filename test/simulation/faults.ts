/** How often the upstream and the members fail, drawn once per scenario. Each rate is a chance per occasion. */
import type { Seeded } from '../support/seeded.ts';

export interface Faults {
  /** A stream ends at a message. */
  readonly cut: number;
  /** A call ends at once, before the caller has its handle or shortly after. */
  readonly refuse: number;
  readonly failFence: number;
  /** A fence takes long, then fails or succeeds. */
  readonly delayFence: number;
  readonly staleToken: number;
  /** The upstream applies backpressure after a request. */
  readonly pauseRequests: number;
  /** A watch is parked, because its channel is full. */
  readonly park: number;
  /** An old release leaks an older event to a watch that starts in the future. */
  readonly leak: number;
  readonly networkMsMax: number;
  /** Events of a response beyond this number are sent in fragments. */
  readonly fragmentEvents: number;
  /** Revisions per batch while a watch catches up; etcd's is 1,000. */
  readonly batchRevisions: number;
  /** Interval of progress notifications. */
  readonly notifyMs: number;
}

export const noFaults = {
  cut: 0,
  refuse: 0,
  failFence: 0,
  delayFence: 0,
  staleToken: 0,
  pauseRequests: 0,
  park: 0,
  leak: 0,
} as const;

export function drawFaults(random: Seeded): Faults {
  const rate = (...rates: number[]): number => random.pick(rates);
  const calm = random.chance(0.2) ? noFaults : {};
  return {
    cut: rate(0, 0.003, 0.02, 0.08),
    refuse: rate(0, 0, 0.05, 0.3),
    failFence: rate(0, 0, 0.1, 0.6),
    delayFence: rate(0, 0.05, 0.3),
    staleToken: rate(0, 0, 0.05, 0.2),
    pauseRequests: rate(0, 0, 0.1),
    park: rate(0, 0.02, 0.2),
    leak: rate(0, 0.5),
    networkMsMax: rate(0, 1, 5, 30),
    fragmentEvents: rate(1, 1, 2, 5, 1_000),
    batchRevisions: rate(1, 2, 5, 1_000),
    notifyMs: rate(150, 400, 1_000, 600_000),
    ...calm,
  };
}
