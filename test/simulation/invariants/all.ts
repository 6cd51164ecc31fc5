/** The invariants that are checked on what clients observed, after a scenario. */
import { atomic } from './atomic.ts';
import { backpressure } from './backpressure.ts';
import { bookmarkable } from './bookmarkable.ts';
import { compaction } from './compaction.ts';
import { continuous } from './continuous.ts';
import { filtered } from './filtered.ts';
import type { Invariant } from './invariant.ts';
import { isolated } from './isolated.ts';
import { ordered } from './ordered.ts';
import { previousValues } from './previous-values.ts';
import { reliable } from './reliable.ts';
import { resumable } from './resumable.ts';
import { unique } from './unique.ts';
import { watchIds } from './watch-ids.ts';

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
];
