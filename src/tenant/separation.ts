/**
 * Checks that the key spaces of tenants are disjoint: no stored key may belong to two tenants. The isolation of tenants depends on
 * it, so the proxy serves no calls before the check has passed.
 */
import type { Problem } from '../config/problem.ts';
import { startsWith } from '../etcd/key-range.ts';
import { tenantWhere } from './build-tenant.ts';
import type { Tenant } from './tenant.ts';

/** No namespace may begin with another one. In byte order, all that begin with a namespace follow directly after it. */
export function checkSeparation(tenants: readonly Tenant[], problems: Problem[]): void {
  const inOrder = tenants.toSorted((a, b) => Buffer.compare(a.keySpace.prefix, b.keySpace.prefix));
  /** A stack: the namespace of each entry begins with that of the entry before it. */
  const containing: Tenant[] = [];
  for (const tenant of inOrder) {
    let outer = containing.at(-1);
    while (outer !== undefined && !startsWith(tenant.keySpace.prefix, outer.keySpace.prefix)) {
      containing.pop();
      outer = containing.at(-1);
    }
    if (outer !== undefined) {
      problems.push({
        where: tenantWhere(tenant.name),
        tenant: tenant.name,
        what: `its namespace lies within that of ${tenantWhere(outer.name)}`,
      });
    }
    containing.push(tenant);
  }
}
