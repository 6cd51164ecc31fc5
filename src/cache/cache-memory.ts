/**
 * The bytes of cached ranges, bounded for a range, a tenant and the process. At the bound of a tenant its largest range is
 * dropped; at the bound of the process the largest one of the tenant that has most.
 */

export interface CountedRange {
  readonly bytes: number;
  /** A bound is reached. */
  drop(): void;
}

export interface CacheBounds {
  readonly rangeBytesMax: number;
  readonly tenantBytesMax: number;
  readonly processBytesMax: number;
}

export class CacheMemory {
  bytes = 0;
  readonly bounds: CacheBounds;
  readonly #tenants = new Set<TenantCacheMemory>();

  constructor(bounds: CacheBounds) {
    this.bounds = bounds;
  }

  newTenant(): TenantCacheMemory {
    return new TenantCacheMemory(this);
  }

  setInUse(tenant: TenantCacheMemory, isInUse: boolean): void {
    if (isInUse) this.#tenants.add(tenant);
    else this.#tenants.delete(tenant);
  }

  trim(): void {
    while (this.bytes > this.bounds.processBytesMax) {
      const tenant = largest(this.#tenants);
      if (tenant === null) return;
      tenant.dropLargest();
    }
  }
}

export class TenantCacheMemory {
  bytes = 0;
  readonly #process: CacheMemory;
  readonly #ranges = new Set<CountedRange>();

  constructor(process: CacheMemory) {
    this.#process = process;
  }

  add(range: CountedRange): void {
    this.#ranges.add(range);
    this.#process.setInUse(this, true);
  }

  /** Takes out a range, which no longer counts any bytes. */
  remove(range: CountedRange): void {
    this.#ranges.delete(range);
    if (this.#ranges.size === 0) this.#process.setInUse(this, false);
  }

  /** Counts `bytes` more or less for `range`, and drops ranges until all bounds hold. That may be `range` itself. */
  count(range: CountedRange, bytes: number): void {
    this.bytes += bytes;
    this.#process.bytes += bytes;
    if (bytes <= 0) return;
    const { rangeBytesMax, tenantBytesMax } = this.#process.bounds;
    if (range.bytes > rangeBytesMax) range.drop();
    while (this.bytes > tenantBytesMax) this.dropLargest();
    this.#process.trim();
  }

  /** There must be a range. */
  dropLargest(): void {
    largest(this.#ranges)?.drop();
  }
}

function largest<T extends { readonly bytes: number }>(all: Iterable<T>): T | null {
  let found: T | null = null;
  for (const one of all) if (found === null || one.bytes > found.bytes) found = one;
  return found;
}
