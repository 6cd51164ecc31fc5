/** What all calls under guard share. */
import type { Method } from '../etcd/methods.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Deadlines } from '../runtime/deadlines.ts';
import type { Breakers } from './breaker/breakers.ts';
import type { FairQueue } from './fair-queue.ts';
import type { Hold } from './hold.ts';
import type { ReadSizes } from './read-sizes.ts';
import type { RetryBudget } from './retry-budget.ts';

export interface GuardParts {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly breakers: Breakers;
  readonly budget: RetryBudget;
  readonly hold: Hold;
  /** Of all unary calls. Each weighs 1. */
  readonly queue: FairQueue;
  /** Of reads whose responses are expected to be large. Each weighs the bytes of its response. */
  readonly reads: FairQueue;
  readonly readSizes: ReadSizes;
  /** How long a call that was never sent may wait in total. 0: it does not wait. */
  readonly holdMs: number;
  /** The time limit of unary calls without a client deadline. Below etcd's own timeout, calls can time out during an election. */
  readonly requestTimeoutMs: number;
  /** Called for each retry, for metrics. */
  readonly onRetry: ((method: Method) => void) | null;
}
