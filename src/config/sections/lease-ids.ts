/** Whether a tenant has lease IDs of its own. Several tenants that share the IDs of the cluster would not be isolated. */
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';
import type { LeaseIds } from '../settings/namespace.ts';
import type { TenantConfig } from './tenants.ts';

export function readLeaseIds(
  settings: Settings,
  tenants: readonly TenantConfig[],
  report: ProblemReporter,
): LeaseIds {
  const leaseIds = settings['lease-ids'] as LeaseIds;
  if (leaseIds === 'namespaced') return leaseIds;
  if (tenants.length > 1) {
    const what = `must be namespaced with more than one tenant, and there are ${tenants.length}: `;
    report('lease-ids', `${what}with the IDs of the cluster, tenants can name each other's leases`);
  }
  if (settings['lease-secret-file'] !== '') {
    report(
      'lease-ids',
      'must be namespaced with --lease-secret-file: no other lease ID has a secret',
    );
  }
  return leaseIds;
}
