/**
 * Checks that the key spaces of tenants are disjoint: no stored key and no stored lease ID may belong to two tenants. The
 * isolation of tenants depends on these two checks, so the proxy serves no calls before they have passed.
 */
import type { Problem } from '../config/problem.ts';
import { startsWith } from '../etcd/key-range.ts';
import { tenantWhere } from './build-tenant.ts';
import type { Tenant } from './tenant.ts';

export function checkSeparation(tenants: readonly Tenant[], problems: Problem[]): void {
  checkNamespaces(tenants, problems);
  checkLeaseTags(tenants, problems);
}

/** No namespace may begin with another one. In byte order, all that begin with a namespace follow directly after it. */
function checkNamespaces(tenants: readonly Tenant[], problems: Problem[]): void {
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

/** Lease tags are derived by a hash, so two namespaces may have the same tag by chance. */
function checkLeaseTags(tenants: readonly Tenant[], problems: Problem[]): void {
  const owners = new Map<number, Tenant>();
  for (const tenant of tenants) {
    const { leaseTag, prefix } = tenant.keySpace;
    const owner = owners.get(leaseTag);
    if (owner === undefined) {
      owners.set(leaseTag, tenant);
    } else if (Buffer.compare(prefix, owner.keySpace.prefix) !== 0) {
      // Equal namespaces were already reported by checkNamespaces.
      problems.push({
        where: tenantWhere(tenant.name),
        tenant: tenant.name,
        what: `its lease tag ${leaseTag} is also that of ${tenantWhere(owner.name)}; set another "lease-tag"`,
      });
    }
  }
}
