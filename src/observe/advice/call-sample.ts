/** What the advice notes about one call between its request and its end. */
import type { RequestKey } from './request-keys.ts';
import type { WholeWatches } from './whole-watches.ts';

export interface CallSample {
  /** How many calls this one represents. */
  readonly weight: number;
  readonly keys: readonly RequestKey[];
  /** Of a watch stream: its watches of the whole namespace. Null for others. */
  readonly watches: WholeWatches | null;
}
