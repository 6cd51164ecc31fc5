/**
 * What the process remembers about a tenant beyond its configuration: one object per tenant.
 *
 * One rule decides what survives a configuration reload: state belongs to the tenant's stored keys. A tenant that keeps its
 * name, prefix and lease key keeps its whole state, whatever else changes. Any other tenant starts with empty state.
 */
import { noLimits, type UsageLimits } from '../config/sections/usage-limits.ts';
import { CompactionFloor } from './compaction-floor.ts';
import { Traffic } from './traffic.ts';
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
  /** Null until the first call, as usage. */
  #traffic: Traffic | null = null;
  /** Null until the first call, because most of many tenants may never have one. */
  #usage: Usage | null = null;
  #limits: UsageLimits = noLimits;
  readonly #parts = new Map<StatePart<unknown>, unknown>();

  constructor(tenantName: string) {
    this.tenantName = tenantName;
  }

  get usage(): Usage {
    if (this.#usage === null) {
      this.#usage = new Usage();
      this.#usage.limits = this.#limits;
    }
    return this.#usage;
  }

  /** Whether the tenant has had a call. */
  get hasTraffic(): boolean {
    return this.#traffic !== null;
  }

  get traffic(): Traffic {
    this.#traffic ??= new Traffic();
    return this.#traffic;
  }

  /** Whether the tenant has had a call that limits count. */
  get isUsed(): boolean {
    return this.#usage !== null;
  }

  /** Replaces the limits and keeps what is counted. A new tenant has none. */
  applyLimits(limits: UsageLimits): void {
    this.#limits = limits;
    if (this.#usage !== null) this.#usage.limits = limits;
  }

  get<T>(part: StatePart<T>): T {
    const existing = this.#parts.get(part as StatePart<unknown>);
    if (existing !== undefined) return existing as T;
    const created = part.create(this);
    this.#parts.set(part as StatePart<unknown>, created);
    return created;
  }
}
