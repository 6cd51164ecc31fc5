/** The invariants that are checked on what clients observed, after a scenario. */
import { atomic } from './atomic.ts';
import { backpressure } from './backpressure.ts';
import { bookmarkable } from './bookmarkable.ts';
import { compaction } from './compaction.ts';
import { continuous } from './continuous.ts';
import { endedCalls } from './ended-calls.ts';
import { exactReads } from './exact-reads.ts';
import { filtered } from './filtered.ts';
import type { Invariant } from './invariant.ts';
import { isolated } from './isolated.ts';
import { linearizableReads } from './linearizable-reads.ts';
import { monotonicReads } from './monotonic-reads.ts';
import { ordered } from './ordered.ts';
import { permittedReads } from './permitted-reads.ts';
import { previousValues } from './previous-values.ts';
import { reliable } from './reliable.ts';
import { resumable } from './resumable.ts';
import { unique } from './unique.ts';
import { watchIds } from './watch-ids.ts';

const ofCalls = [
  exactReads,
  linearizableReads,
  monotonicReads,
  permittedReads,
  endedCalls,
] as const;

export const invariants: readonly Invariant[] = [
  ordered,
  unique,
  atomic,
  reliable,
  resumable,
  bookmarkable,
  filtered,
  previousValues,
  isolated,
  compaction,
  watchIds,
  continuous,
  backpressure,
  ...ofCalls,
];

/** A watch that continues past the state that was restored misses what is committed again, as at etcd itself. */
export const invariantsOfRestored: readonly Invariant[] = [isolated, ...ofCalls];
