/** Reports the events of the namespace layer to metrics and log. */
import type { NamespaceHooks } from '../namespace/hooks.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';

export function namespaceHooks(metrics: Metrics, logger: Logger): NamespaceHooks {
  return {
    violation: ({ method, tenant }, fault) => {
      metrics.namespaceViolated();
      logger.error('namespace violation', { method: method.name, tenant: tenant?.name, fault });
    },
    leaseChecked: ({ method, tenant }, owner) => {
      metrics.leaseChecked(owner);
      // With the lease IDs of the cluster, a tenant can name any lease.
      if (owner !== 'foreign' || tenant?.keySpace.mapsLeases === false) return;
      metrics.namespaceViolated();
      logger.error('foreign lease', { method: method.name, tenant: tenant?.name });
    },
    foreignLeases: (_call, count) => metrics.foreignLeasesSeen(count),
  };
}
