/** Reports the events of the namespace layer to metrics and logs. */
import type { NamespaceHooks } from '../namespace/hooks.ts';
import { type AuditLog, auditedCall, type IdentityOf } from '../observe/audit-log.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';

export interface NamespaceObservers {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly audit: AuditLog;
}

export function namespaceHooks(
  { metrics, logger, audit }: NamespaceObservers,
  identityOf: IdentityOf,
): NamespaceHooks {
  return {
    violation: ({ method, tenant }, fault) => {
      metrics.namespaceViolated();
      logger.error('namespace violation', { method: method.name, tenant: tenant?.name, fault });
    },
    leaseChecked: (call, owner) => {
      metrics.leaseChecked(owner);
      // With the lease IDs of the cluster, a tenant can name any lease.
      if (owner !== 'foreign' || call.tenant?.keySpace.mapsLeases === false) return;
      metrics.namespaceViolated();
      audit.refused('foreign lease', call, () => auditedCall(call, identityOf));
    },
    foreignLeases: (_call, count) => metrics.foreignLeasesSeen(count),
  };
}
