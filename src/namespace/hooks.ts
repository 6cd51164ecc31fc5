/** What namespace/ reports for logs and metrics. */
import type { Call } from '../call/call.ts';
import type { RewriteFault } from '../rewrite/fault.ts';

/** Of a lease. `own`: may belong to the tenant. `foreign`: does not. `failed`: unknown, because etcd did not respond. */
export type LeaseOwner = 'own' | 'foreign' | 'failed';

export interface NamespaceHooks {
  /**
   * A response could not be shown to stay inside the tenant's namespace. It was not delivered and the call has ended. At most
   * once per call. `fault` is `namespace-violation` for a foreign key, otherwise why the response could not be read.
   */
  violation(call: Call, fault: RewriteFault): void;
  /** `count` lease IDs of one response belong to another namespace. Each was shown as 0, and the response was delivered. */
  foreignLeases(call: Call, count: number): void;
  /** The keys of a lease were read before it is revoked or renewed for the first time. A foreign one is neither. */
  leaseChecked(call: Call, owner: LeaseOwner): void;
}
