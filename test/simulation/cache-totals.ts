/** How often caches were used in many scenarios. */
import { type CacheStats, type MissReason, missReasons } from '../../src/cache/cache-context.ts';

export class CacheTotals {
  linearizableHits = 0;
  serializableHits = 0;
  sharedResponses = 0;
  loads = 0;
  drops = 0;
  readonly misses = new Map<MissReason, number>(missReasons.map((reason) => [reason, 0]));

  add(stats: CacheStats): void {
    this.linearizableHits += stats.linearizableHits;
    this.serializableHits += stats.serializableHits;
    this.sharedResponses += stats.sharedResponses;
    this.loads += stats.loads;
    this.drops += stats.drops;
    for (const reason of missReasons) {
      this.misses.set(reason, (this.misses.get(reason) ?? 0) + stats.misses[reason]);
    }
  }

  /** Every counter with its name. */
  get counts(): Readonly<Record<string, number>> {
    const { linearizableHits, serializableHits, sharedResponses, loads, drops, misses } = this;
    const hits = { linearizableHits, serializableHits, sharedResponses, loads, drops };
    return { ...hits, ...Object.fromEntries(misses) };
  }

  toString(): string {
    const { counts } = this;
    return Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  }
}
