/**
 * The histories of a tenant and of the process, bounded in bytes. A tenant with too much loses the oldest batches of its
 * feeds. A process with too much evicts those of the tenant that has most, so a tenant with much history does not shorten that
 * of the others.
 */
import type { HeldBatch } from './held-batch.ts';
import type { HistoryLimits } from './history-limits.ts';
import type { HubStats } from './hub-context.ts';

export class HistoryBudget {
  readonly #limits: HistoryLimits;
  readonly #stats: HubStats;
  readonly #shares = new Set<HistoryShare>();

  constructor(limits: HistoryLimits, stats: HubStats) {
    this.#limits = limits;
    this.#stats = stats;
  }

  newShare(): HistoryShare {
    return new HistoryShare(this, this.#limits);
  }

  /** `share` has its first batch, or has lost its last one. */
  setInUse(share: HistoryShare, isInUse: boolean): void {
    if (isInUse) this.#shares.add(share);
    else this.#shares.delete(share);
  }

  count(bytes: number): void {
    this.#stats.historyBytes += bytes;
  }

  /** Looks for the tenant with most history again once that of the last one is a quarter smaller. */
  trim(): void {
    let share: HistoryShare | null = null;
    let enough = 0;
    while (this.#isFull) {
      if (share === null || share.bytes <= enough) {
        share = this.#largest();
        if (share === null) return;
        enough = (share.bytes * 3) / 4;
      }
      if (!share.evictOldest()) return;
    }
  }

  get #isFull(): boolean {
    return this.#stats.historyBytes > this.#limits.processBytesMax;
  }

  #largest(): HistoryShare | null {
    let largest: HistoryShare | null = null;
    for (const share of this.#shares) {
      if (largest === null || share.bytes > largest.bytes) largest = share;
    }
    return largest;
  }
}

export class HistoryShare {
  bytes = 0;
  readonly #budget: HistoryBudget;
  readonly #limits: HistoryLimits;
  #oldest: HeldBatch | null = null;
  #newest: HeldBatch | null = null;

  constructor(budget: HistoryBudget, limits: HistoryLimits) {
    this.#budget = budget;
    this.#limits = limits;
  }

  add(batch: HeldBatch): void {
    batch.older = this.#newest;
    if (this.#newest === null) {
      this.#oldest = batch;
      this.#budget.setInUse(this, true);
    } else this.#newest.newer = batch;
    this.#newest = batch;
    this.#count(batch.bytes);
  }

  remove(batch: HeldBatch): void {
    const { older, newer } = batch;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    batch.older = null;
    batch.newer = null;
    this.#count(-batch.bytes);
    if (this.#oldest === null) this.#budget.setInUse(this, false);
  }

  /** Evicts the oldest batches of the tenant, and of other tenants, until the bounds hold. */
  trim(): void {
    while (this.bytes > this.#limits.tenantBytesMax) if (!this.evictOldest()) break;
    this.#budget.trim();
  }

  /** Returns false if no event is held, or if the oldest one has to be delivered first. */
  evictOldest(): boolean {
    return this.#oldest?.holder.evictOldest() ?? false;
  }

  #count(bytes: number): void {
    this.bytes += bytes;
    this.#budget.count(bytes);
  }
}
