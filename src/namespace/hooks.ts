/** What namespace/ tells those who count and log. It never formats anything itself. */
import type { Call } from '../call/call.ts';
import type { WireFault } from '../rewrite/fault.ts';

export interface NamespaceHooks {
  /**
   * An answer could not be shown to stay inside the tenant's namespace, so it was not delivered and the call has ended:
   * at most once per call. `fault` is `namespace-violation` for a foreign key, otherwise what made it unreadable.
   */
  violation(call: Call, fault: WireFault): void;
  /** So many lease IDs of one answer belong to somebody else. Each was shown as 0; the answer was delivered. */
  foreignLeases(call: Call, count: number): void;
}
