/** The proxy's own counts of reads from memory. */
import type { Exposition } from '../support/exposition.ts';

/** A proxy with an admin address. */
export interface Counted {
  metrics(): Promise<Exposition>;
}

const hitsMetric = 'etcd_bulkhead_cache_hits_total';
const missesMetric = 'etcd_bulkhead_cache_misses_total';

export class CacheCounts {
  readonly #proxy: Counted;
  #hits = 0;
  #misses = 0;

  constructor(proxy: Counted) {
    this.#proxy = proxy;
  }

  /** What was counted since the last call, or since the start of the proxy. */
  async sinceLast(): Promise<{ readonly hits: number; readonly misses: number }> {
    const page = await this.#proxy.metrics();
    const hits = page.sum(hitsMetric);
    const misses = page.sum(missesMetric);
    const since = { hits: hits - this.#hits, misses: misses - this.#misses };
    this.#hits = hits;
    this.#misses = misses;
    return since;
  }

  async figures(): Promise<Readonly<Record<string, number>>> {
    const page = await this.#proxy.metrics();
    const one = (name: string) => page.value(`etcd_bulkhead_cache_${name}`) ?? 0;
    const figures: Record<string, number> = {
      hits: page.sum(hitsMetric),
      misses: page.sum(missesMetric),
    };
    for (const [kind, n] of page.byLabel(hitsMetric, 'kind')) figures[`hits, ${kind}`] = n;
    for (const [reason, n] of page.byLabel(missesMetric, 'reason'))
      figures[`misses, ${reason}`] = n;
    return {
      ...figures,
      'shared responses': one('shared_responses_total'),
      'fence ms': Math.round((1e5 * one('fence_seconds_total')) / one('fenced_reads_total')) / 100,
      loads: one('loads_total'),
      drops: one('drops_total'),
    };
  }
}
