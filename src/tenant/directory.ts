/**
 * Who there is, and who connects where: one immutable snapshot of the configuration. A reload builds another one and puts
 * it in the place of this; calls under way keep the tenant that they began with.
 */
import type { Config } from '../config/config.ts';
import type { Problem } from '../config/problem.ts';
import type { Tenant } from '../etcd/tenant.ts';
import { checkSeparation } from './separation.ts';
import { buildTenant } from './tenant.ts';

export class Directory {
  readonly #byName: ReadonlyMap<string, Tenant>;
  readonly #byListener: ReadonlyMap<string, Tenant>;

  constructor(tenants: readonly Tenant[], byListener: ReadonlyMap<string, Tenant>) {
    this.#byName = new Map(tenants.map((tenant) => [tenant.name, tenant]));
    this.#byListener = byListener;
  }

  get tenants(): Iterable<Tenant> {
    return this.#byName.values();
  }

  byName(name: string): Tenant | null {
    return this.#byName.get(name) ?? null;
  }

  /** The tenant that whoever connects to that listener is. */
  byListener(listener: string): Tenant | null {
    return this.#byListener.get(listener) ?? null;
  }
}

/** Where the snapshot in force is found. Whoever reloads replaces `current`. */
export interface CurrentDirectory {
  readonly current: Directory;
}

/**
 * The directory of a configuration, or everything that is wrong with its tenants. Tenants that `previous` has with the
 * same key space are taken over as they are: with their compaction floor, and whatever else hangs on the object.
 */
export function buildDirectory(
  config: Pick<Config, 'tenants' | 'listeners'>,
  previous: Directory | null = null,
): Directory | readonly Problem[] {
  const problems: Problem[] = [];
  const tenants = new Map<string, Tenant>();
  for (const tenantConfig of config.tenants) {
    const tenant = buildTenant(tenantConfig, problems);
    if (tenant !== null) tenants.set(tenant.name, takeOver(tenant, previous));
  }
  checkSeparation([...tenants.values()], problems);
  if (problems.length > 0) return problems;

  const byListener = new Map<string, Tenant>();
  for (const listener of config.listeners) {
    const tenant = tenants.get(listener.tenant);
    if (tenant === undefined) {
      const where = `listener ${listener.name}`;
      problems.push({ where, what: `there is no tenant "${listener.tenant}"` });
    } else {
      byListener.set(listener.name, tenant);
    }
  }
  return problems.length > 0 ? problems : new Directory([...tenants.values()], byListener);
}

function takeOver(tenant: Tenant, previous: Directory | null): Tenant {
  const known = previous?.byName(tenant.name) ?? null;
  if (known === null) return tenant;
  const isSame =
    known.keySpace.leaseTag === tenant.keySpace.leaseTag &&
    Buffer.compare(known.keySpace.prefix, tenant.keySpace.prefix) === 0;
  return isSame ? known : tenant;
}
