/** The queues that unary calls wait in before they are sent, with the bounds of the configuration. */
import type { Random } from '../runtime/random.ts';
import { FairQueue } from './fair-queue.ts';
import type { GuardParts } from './guard-parts.ts';
import { ReadSizes } from './read-sizes.ts';

export interface QueueLimits {
  /** Unary calls at etcd at the same time. */
  readonly inFlightMax: number;
  /** Bytes of the responses to large reads that etcd prepares at the same time. */
  readonly readBytesMax: number;
  /** A single tenant may use the whole bound of large reads, otherwise each may use half: a client may read slowly. */
  readonly hasOneTenant: boolean;
}

/** Bounds of each queue. */
const queueBounds = { queuedCallsMax: 50_000, queuedBytesMax: 64 << 20 } as const;

export type Queues = Pick<GuardParts, 'queue' | 'reads' | 'readSizes'>;

export function makeQueues(limits: QueueLimits, random: Random): Queues {
  const { inFlightMax, readBytesMax, hasOneTenant } = limits;
  return {
    queue: new FairQueue({ ...queueBounds, weightMax: inFlightMax, tenantWeightMax: inFlightMax }),
    reads: new FairQueue({
      ...queueBounds,
      weightMax: readBytesMax,
      tenantWeightMax: hasOneTenant ? readBytesMax : readBytesMax / 2,
    }),
    readSizes: new ReadSizes(random),
  };
}
