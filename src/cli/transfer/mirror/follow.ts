/**
 * Applies the changes of the source to the destination. All changes of a revision are in one transaction with the new position,
 * unless they exceed its limits. If the source is ahead, a transaction takes several revisions, but never two changes of one key:
 * a watcher of the destination sees every value that the source had, in the same order.
 */
import { systemClock as clock } from '../../../runtime/clock.ts';
import { wait } from '../etcd-client.ts';
import { putBytes, type TxnRequest } from '../txn-request.ts';
import type { CopyParts } from './copy.ts';
import { bytesMax, operationsMax } from './limits.ts';
import type { MirrorState } from './position.ts';
import { type QueuedChanges, SourceWatch } from './source-watch.ts';

/** How often the source is asked for its progress while it sends no changes. */
const progressEveryMs = 10_000;
const progressEveryMsOnce = 100;
/** How often the position is written if only other namespaces change. A position far behind could be compacted. */
const positionEveryMs = 30_000;

const openAttemptsMax = 10;
const redialMs = 20;

export interface FollowOptions {
  /** Resolve when everything up to this revision is applied. Null: follow until a failure. */
  readonly until: number | null;
  /** Whether the source's progress responses can be relied upon. */
  readonly ordersProgress: boolean;
  readonly clusterId: string;
}

/** Rejects with `Compacted`, `Fenced`, or the failure that ended the watch. */
export async function follow(parts: CopyParts, options: FollowOptions): Promise<void> {
  const { destination, stats } = parts;
  const { revision } = following(destination.state);
  if (options.until !== null && revision >= options.until) return;
  using watch = await openWatch(parts, revision, options.clusterId);
  const applier = new Applier(parts, watch);
  const askEveryMs = options.until === null ? progressEveryMs : progressEveryMsOnce;
  let askedAtMs = clock.nowMs();
  let savedAtMs = clock.nowMs();
  for (;;) {
    const applied = await applier.applyNext();
    const nowMs = clock.nowMs();
    stats.sourceRevision = Math.max(stats.sourceRevision, watch.sourceRevision);
    stats.positionRevision = following(destination.state).revision;
    if (applied) savedAtMs = nowMs;
    else {
      if (watch.isCreated) stats.setBehind(null);
      const isDone = options.until !== null && watch.completeRevision >= options.until;
      if (isDone || nowMs - savedAtMs >= positionEveryMs) {
        await applier.saveProgress();
        savedAtMs = nowMs;
      }
      if (isDone) return;
      if (options.ordersProgress && nowMs - askedAtMs >= askEveryMs) {
        watch.requestProgress();
        askedAtMs = nowMs;
      }
      await watch.changed(askEveryMs);
    }
  }
}

/** The first attempt may only make the upstream dial, and ends without being sent. */
async function openWatch(
  { source, names }: CopyParts,
  after: number,
  clusterId: string,
): Promise<SourceWatch> {
  for (let attempt = 1; ; attempt += 1) {
    await source.available('etcdserverpb.Watch/Watch');
    const watch = new SourceWatch(source, names.rest(names.source, null), after, clusterId);
    if (!watch.isUnsent || attempt === openAttemptsMax) return watch;
    await wait(redialMs);
  }
}

function following(state: MirrorState): Extract<MirrorState, { at: 'following' }> {
  if (state.at !== 'following') throw new Error('the mirror does not follow yet');
  return state;
}

class Applier {
  readonly #parts: CopyParts;
  readonly #watch: SourceWatch;

  constructor(parts: CopyParts, watch: SourceWatch) {
    this.#parts = parts;
    this.#watch = watch;
  }

  /** Applies as many queued revisions as fit into one transaction, or a part of one. Returns false if the queue is empty. */
  async applyNext(): Promise<boolean> {
    const { destination, stats } = this.#parts;
    const first = this.#watch.peek();
    if (first === null) return false;
    stats.setBehind(first.arrivedAtMs);
    if (!this.#fits(first)) {
      await this.#applyInPieces(first);
      return true;
    }
    const txn = destination.begin();
    const keys = new Set<string>();
    let state = following(destination.state);
    for (let next: QueuedChanges | null = first; next !== null; next = this.#next()) {
      const isFirst = next === first;
      if (!isFirst && (!this.#fitsInto(txn, next) || this.#repeats(next, keys))) break;
      const skipped = this.#skipped(next, state);
      for (const change of next.changes.slice(skipped)) this.#add(txn, change, keys);
      state = { at: 'following', revision: next.revision, applied: 0 };
      this.#watch.shift();
    }
    await this.#commit(txn, state);
    return true;
  }

  /** Moves the position to what the source has reported without changes. */
  async saveProgress(): Promise<void> {
    const { destination } = this.#parts;
    const state = following(destination.state);
    const revision = this.#watch.completeRevision;
    if (revision <= state.revision) return;
    await destination.advance(destination.begin(), { at: 'following', revision, applied: 0 });
  }

  /** A revision that exceeds the limits of a transaction. The position counts the changes of it that are applied. */
  async #applyInPieces(queued: QueuedChanges): Promise<void> {
    const { destination } = this.#parts;
    const { revision, changes, first, isLast } = queued;
    let state = following(destination.state);
    let index = this.#skipped(queued, state);
    if (index === changes.length && !isLast) {
      // The position is within a later part.
      this.#watch.shift();
      return;
    }
    do {
      const txn = destination.begin();
      while (index < changes.length) {
        const change = changes[index] as QueuedChanges['changes'][number];
        if (!this.#hasRoom(txn, change)) break;
        this.#add(txn, change, null);
        index += 1;
      }
      const isComplete = isLast && index === changes.length;
      state = {
        at: 'following',
        revision: isComplete ? revision : revision - 1,
        applied: isComplete ? 0 : first + index,
      };
      await this.#commit(txn, state);
    } while (index < changes.length);
    this.#watch.shift();
  }

  async #commit(txn: TxnRequest, state: MirrorState): Promise<void> {
    // Without the position, which is added.
    const { puts, deletes } = txn;
    await this.#parts.destination.advance(txn, state);
    this.#parts.stats.onCommitted({ puts, deletes });
  }

  #next(): QueuedChanges | null {
    try {
      return this.#watch.peek();
    } catch {
      // Reported after this transaction.
      return null;
    }
  }

  /** How many changes of this part were applied before. */
  #skipped({ revision, first, changes }: QueuedChanges, state: MirrorState): number {
    const { revision: before, applied } = following(state);
    const isPartial = applied > 0 && revision === before + 1;
    return isPartial ? Math.min(changes.length, Math.max(0, applied - first)) : 0;
  }

  #fits({ changes, bytes, isLast, first }: QueuedChanges): boolean {
    return isLast && first === 0 && changes.length <= operationsMax && bytes <= bytesMax;
  }

  #fitsInto(txn: TxnRequest, queued: QueuedChanges): boolean {
    const operations = txn.operations + queued.changes.length;
    return (
      this.#fits(queued) && operations <= operationsMax && txn.bytes + queued.bytes <= bytesMax
    );
  }

  #repeats({ changes }: QueuedChanges, keys: ReadonlySet<string>): boolean {
    return changes.some(({ keyValue }) => keys.has(Buffer.from(keyValue.key).toString('latin1')));
  }

  #hasRoom(txn: TxnRequest, { keyValue }: QueuedChanges['changes'][number]): boolean {
    if (txn.operations === 0) return true;
    if (txn.operations >= operationsMax) return false;
    return txn.bytes + putBytes(keyValue.key, keyValue.value, false) <= bytesMax;
  }

  #add(
    txn: TxnRequest,
    { isDelete, keyValue }: QueuedChanges['changes'][number],
    keys: Set<string> | null,
  ): void {
    const { names } = this.#parts;
    keys?.add(Buffer.from(keyValue.key).toString('latin1'));
    const target = names.targetOf(keyValue.key);
    if (target === null) return;
    if (isDelete) txn.delete(target);
    else txn.put(target, keyValue.value, 0n);
  }
}
