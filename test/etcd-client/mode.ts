/** How the clients of a test reach etcd. */
import { withoutNamespace } from './differences.ts';
import type { Suite } from './suites.ts';

type ModeName = 'proxy' | 'proxy, shared watches' | 'proxy, cached reads';

export interface Mode {
  readonly name: string;
  readonly sharesWatches: boolean;
  /** A client of each proxy watches the namespace, and reads come from memory. */
  readonly readsFromMemory: boolean;
  /** The configuration file of the proxy; null to dial etcd itself. */
  readonly settings: Readonly<Record<string, unknown>> | null;
}

export const direct: Mode = {
  name: 'direct',
  sharesWatches: false,
  readsFromMemory: false,
  settings: null,
};

/** The modes in which a test must have the same results as directly. */
export function proxiedModes(test: string, suite: Suite): readonly Mode[] {
  const namespace = withoutNamespace.has(test) ? '' : 'tests/';
  const modes = [
    throughProxy(namespace, 'proxy'),
    throughProxy(namespace, 'proxy, shared watches'),
  ];
  return suite.readsFromMemory ? [...modes, throughProxy(namespace, 'proxy, cached reads')] : modes;
}

/** The test framework waits until MemberList returns the members that it has started. */
function throughProxy(namespace: string, name: ModeName): Mode {
  const sharesWatches = name !== 'proxy';
  const readsFromMemory = name === 'proxy, cached reads';
  return {
    ...{ name, sharesWatches, readsFromMemory },
    settings: {
      'admin-addr': '',
      'log-level': 'warn',
      'share-watches': sharesWatches,
      'cache-reads': readsFromMemory,
      tenants: [{ name: 'tests', namespace, role: 'owner', 'owner-methods': ['MemberList'] }],
    },
  };
}
