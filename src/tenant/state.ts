/**
 * What the process remembers about a tenant beyond its configuration: one object per tenant.
 *
 * One rule decides what survives a configuration reload: state belongs to the tenant's stored keys. A tenant that keeps its
 * name, prefix and lease key keeps its whole state, whatever else changes. Any other tenant starts with empty state.
 */
import { CompactionFloor } from './compaction-floor.ts';
import { Usage } from './usage.ts';

/** Declares one layer's share of the state of every tenant. Layers compare parts by identity. */
export class StatePart<T> {
  readonly create: (state: TenantState) => T;

  /** `create` runs once per tenant, when the part is first read. */
  constructor(create: (state: TenantState) => T) {
    this.create = create;
  }
}

export class TenantState {
  /** The tenant's name, for logs and metric labels of the parts. */
  readonly tenantName: string;
  readonly floor = new CompactionFloor();
  /** Without limits until the directory with the tenant is the current one. */
  readonly usage = new Usage();
  readonly #parts = new Map<StatePart<unknown>, unknown>();

  constructor(tenantName: string) {
    this.tenantName = tenantName;
  }

  get<T>(part: StatePart<T>): T {
    const existing = this.#parts.get(part as StatePart<unknown>);
    if (existing !== undefined) return existing as T;
    const created = part.create(this);
    this.#parts.set(part as StatePart<unknown>, created);
    return created;
  }
}
