/**
 * From a tenant as configured to the tenant that calls carry. Looks at one tenant by itself; whether several get along is
 * separation.ts's to say.
 */
import type { TenantConfig } from '../config/sections/tenants.ts';
import type { Problem } from '../config/problem.ts';
import { KeySpaceError, keySpace } from '../etcd/key-space.ts';
import { TenantState } from './state.ts';
import type { Tenant } from './tenant.ts';

/**
 * What a namespace ends in. Without it the keys of `game-1` and of `game-10` cannot be told apart by anybody who looks at
 * them, and a tenant added later is likely to overlap.
 */
const delimiter = '/';

/** The tenant, or null with at least one problem added. */
export function buildTenant(config: TenantConfig, problems: Problem[]): Tenant | null {
  const where = tenantWhere(config.name);
  const { namespace, leaseTag } = config;
  const isDelimited = namespace === '' || namespace.endsWith(delimiter) || config.allowUndelimited;
  if (!isDelimited) {
    problems.push({
      where,
      tenant: config.name,
      what: `the namespace "${namespace}" must end in "${delimiter}", or "allow-undelimited" be set`,
    });
  }
  try {
    const space = keySpace(Buffer.from(namespace, 'utf8'), leaseTag ?? undefined);
    return isDelimited
      ? {
          name: config.name,
          keySpace: space,
          state: new TenantState(config.name),
          access: config.access,
          owns: new Set(config.owns),
        }
      : null;
  } catch (error) {
    if (!(error instanceof KeySpaceError)) throw error;
    problems.push({ where, tenant: config.name, what: error.message });
    return null;
  }
}

/** How problems name a tenant. */
export function tenantWhere(name: string): string {
  return `tenant "${name}"`;
}
