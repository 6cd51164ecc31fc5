/** The settings of the namespace of a tenant: its prefix, its access and what its requests may contain. */
import type { Setting } from '../setting.ts';

/** `namespaced`: each namespace has lease IDs of its own. `cluster`: clients have the IDs that etcd has. */
export const leaseIds = ['namespaced', 'cluster'] as const;
export type LeaseIds = (typeof leaseIds)[number];

export const namespaceSettings = {
  namespace: {
    kind: 'text',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'Prefix of all keys in etcd; must end in /. If empty, keys and leases pass through unchanged.',
    dev: 'fixed',
  },
  'allow-undelimited': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Allow a namespace that does not end in /. No other tenant or client may then use keys that begin with it.',
    dev: 'fixed',
  },
  'owner-methods': {
    kind: 'list',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'Comma-separated list of methods on the whole cluster that clients may call without a list of tenants, for example Snapshot,Compact; all; or all-but-members, which leaves out MemberList. Those that manage users require an empty namespace.',
    dev: 'fixed',
  },
  'read-only': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Reject the writes of all tenants, as if each had access: read-only.',
    dev: 'fixed',
  },
  'share-watches': {
    kind: 'boolean',
    default: 'true',
    section: 'namespace',
    reload: 'applied',
    doc: 'Let all watches of a tenant on one range share one watch at etcd. If false, each client watch is a watch at etcd.',
  },
  'cache-reads': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Serve reads of a range that clients watch from the memory of the proxy. Linearizable reads stay linearizable. Reads of one key pass to etcd.',
  },
  'pass-unknown-fields': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Pass request fields that this version does not know to etcd. They are not namespaced: a later etcd may read one as a key.',
  },
  'lease-ids': {
    kind: 'choice',
    default: 'namespaced',
    choices: leaseIds,
    section: 'namespace',
    reload: 'applied',
    doc: 'cluster: clients have the lease IDs of etcd, and share leases with clients that use the same keys without this proxy. Only with a single tenant. After a change all existing leases are unknown to their clients.',
  },
  'lease-secret-file': {
    kind: 'file',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'File with a secret of at least 16 bytes for the check values of stored lease IDs, beside the namespace. The same for all proxies of a cluster. After a change all existing leases are unknown to their clients.',
  },
} as const satisfies Record<string, Setting>;
