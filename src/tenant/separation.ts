/**
 * Whether tenants are kept apart by their key spaces: no stored key and no stored lease ID may belong to two of them. The
 * whole isolation rests on these two checks, so nothing is served before they have passed.
 */
import type { Problem } from '../config/problem.ts';
import { tenantWhere } from './build-tenant.ts';
import type { Tenant } from './tenant.ts';

export function checkSeparation(tenants: readonly Tenant[], problems: Problem[]): void {
  checkNamespaces(tenants, problems);
  checkLeaseTags(tenants, problems);
}

/** No namespace may begin with another one. In byte order all that begin with one follow it without a gap. */
function checkNamespaces(tenants: readonly Tenant[], problems: Problem[]): void {
  const inOrder = tenants.toSorted((a, b) => Buffer.compare(a.keySpace.prefix, b.keySpace.prefix));
  /** Each one's namespace begins with that of the one before it, and the last one may contain what follows. */
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

/** Tags are derived by a hash, so two namespaces may have the same by accident. */
function checkLeaseTags(tenants: readonly Tenant[], problems: Problem[]): void {
  const owners = new Map<number, Tenant>();
  for (const tenant of tenants) {
    const { leaseTag, prefix } = tenant.keySpace;
    const owner = owners.get(leaseTag);
    if (owner === undefined) {
      owners.set(leaseTag, tenant);
    } else if (Buffer.compare(prefix, owner.keySpace.prefix) !== 0) {
      // Where the namespaces are the same too, that has been said.
      problems.push({
        where: tenantWhere(tenant.name),
        tenant: tenant.name,
        what: `its lease tag ${leaseTag} is that of ${tenantWhere(owner.name)}; set another "lease-tag"`,
      });
    }
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return (
    bytes.length >= prefix.length && Buffer.compare(bytes.subarray(0, prefix.length), prefix) === 0
  );
}
