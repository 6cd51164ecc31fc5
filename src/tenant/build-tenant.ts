/** Builds a tenant from its configuration and checks it alone. separation.ts checks tenants against each other. */

import type { Problem } from '../config/problem.ts';
import type { TenantConfig } from '../config/sections/tenants.ts';
import { KeySpaceError, type KeySpaceOptions, keySpace } from '../etcd/key-space.ts';
import { TenantState } from './state.ts';
import type { Tenant } from './tenant.ts';

/**
 * The last character of a namespace. Without it, keys of `game-1` and `game-10` look alike, and the namespace of a tenant
 * that is added later is likely to overlap.
 */
const delimiter = '/';

/** Returns null after it has added at least one problem. */
export function buildTenant(
  config: TenantConfig,
  leases: KeySpaceOptions,
  problems: Problem[],
): Tenant | null {
  const where = tenantWhere(config.name);
  const { namespace, passesUnknownFields } = config;
  const isDelimited = namespace === '' || namespace.endsWith(delimiter) || config.allowUndelimited;
  if (!isDelimited) {
    problems.push({
      where,
      tenant: config.name,
      what: `the namespace "${namespace}" must end in "${delimiter}", or "allow-undelimited" must be set`,
    });
  }
  try {
    const space = keySpace(Buffer.from(namespace, 'utf8'), { ...leases, passesUnknownFields });
    return isDelimited
      ? {
          name: config.name,
          keySpace: space,
          state: new TenantState(config.name),
          access: config.access,
          sharesWatches: config.shareWatches,
          cachesReads: config.cacheReads,
          owns: new Set(config.owns),
        }
      : null;
  } catch (error) {
    if (!(error instanceof KeySpaceError)) throw error;
    problems.push({ where, tenant: config.name, what: error.message });
    return null;
  }
}

/** The `where` of a tenant's problems. */
export function tenantWhere(name: string): string {
  return `tenant "${name}"`;
}
