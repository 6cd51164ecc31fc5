/** What a mirror has done and how far it is behind, for its log and its metrics. */
import type { Clock } from '../../../runtime/clock.ts';
import type { TxnRequest } from '../txn-request.ts';

export type MirrorPhase = 'starting' | 'copying' | 'following';

/** Why keys were compared: the first copy, the rest of an interrupted one, or a compaction of the source. */
export type CopyReason = 'first' | 'resumed' | 'compacted' | 'forced' | 'once';

export class MirrorStats {
  phase: MirrorPhase = 'starting';
  /** Since the start of the process, as all counts. */
  puts = 0;
  deletes = 0;
  transactions = 0;
  comparedKeys = 0;
  failures = 0;
  readonly copies: Record<CopyReason, number> = {
    first: 0,
    resumed: 0,
    compacted: 0,
    forced: 0,
    once: 0,
  };
  positionRevision = 0;
  sourceRevision = 0;
  readonly #clock: Clock;
  /** Since when the destination is behind. Null: everything that is known is applied. */
  #behindSinceMs: number | null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#behindSinceMs = clock.nowMs();
  }

  /** A transaction with changes of keys was committed. */
  onCommitted({ puts, deletes }: Pick<TxnRequest, 'puts' | 'deletes'>): void {
    this.transactions += 1;
    this.puts += puts;
    this.deletes += deletes;
  }

  /** `sinceMs`: when the oldest change that is not applied arrived, or when the watch was lost. Null if every change is applied. */
  setBehind(sinceMs: number | null): void {
    this.#behindSinceMs = sinceMs;
  }

  /** The watch was lost: unknown changes may wait. Keeps an earlier time. */
  lost(): void {
    this.#behindSinceMs ??= this.#clock.nowMs();
  }

  get lagSeconds(): number {
    if (this.#behindSinceMs === null) return 0;
    return Math.max(0, this.#clock.nowMs() - this.#behindSinceMs) / 1000;
  }
}
