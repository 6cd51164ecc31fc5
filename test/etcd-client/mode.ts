/** How the clients of a test reach etcd. */
import { withoutNamespace } from './differences.ts';

export interface Mode {
  readonly name: string;
  readonly sharesWatches: boolean;
  /** The configuration file of the proxy; null to dial etcd itself. */
  readonly settings: Readonly<Record<string, unknown>> | null;
}

export const direct: Mode = { name: 'direct', sharesWatches: false, settings: null };

/** The modes in which a test must have the same results as directly. */
export function proxiedModes(test: string): readonly Mode[] {
  const namespace = withoutNamespace.has(test) ? '' : 'tests/';
  return [throughProxy(namespace, false), throughProxy(namespace, true)];
}

/** The test framework waits until MemberList returns the members that it has started. */
function throughProxy(namespace: string, sharesWatches: boolean): Mode {
  return {
    name: sharesWatches ? 'proxy, shared watches' : 'proxy',
    sharesWatches,
    settings: {
      'admin-addr': '',
      'log-level': 'warn',
      'share-watches': sharesWatches,
      tenants: [{ name: 'tests', namespace, role: 'owner', 'owner-methods': ['MemberList'] }],
    },
  };
}
