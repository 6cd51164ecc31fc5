/** The open watches of one stream, as they count for its tenant and for the process. */
import type { LimitName, Usage } from '../../tenant/usage.ts';

export class OpenWatches {
  readonly #tenant: Usage;
  readonly #total: Usage;
  #count = 0;

  /** `total`: what all tenants of the process use. */
  constructor(tenant: Usage, total: Usage) {
    this.#tenant = tenant;
    this.#total = total;
  }

  /** Whether one more may be opened. Counts the refusal if not. */
  hasRoom(): boolean {
    const full = this.#full();
    if (full !== null) this.#tenant.refused(full);
    return full === null;
  }

  opened(): void {
    this.#add(1);
  }

  closed(): void {
    this.#add(-1);
  }

  /** The stream has ended. */
  closeAll(): void {
    this.#add(-this.#count);
  }

  #full(): LimitName | null {
    const { openWatches, limits } = this.#tenant;
    if (openWatches >= limits.openWatchesMax) return 'max-open-watches';
    const total = this.#total;
    return total.openWatches >= total.limits.openWatchesMax ? 'max-total-open-watches' : null;
  }

  #add(count: number): void {
    this.#count += count;
    this.#tenant.openWatches += count;
    this.#total.openWatches += count;
  }
}
