/** The files of etcd's integration tests that run through the proxy: its Go client, and what is made of watches and leases. */
export interface Suite {
  /** Path of the package within etcd's module of tests. */
  readonly package: string;
  /** The tests in these files only; all of the package if it is null. */
  readonly files: readonly string[] | null;
  /** Runs with reads from memory, too. */
  readonly readsFromMemory: boolean;
}

/** Tests of the package `cache`. etcd publishes no module of it, so they need a checkout of etcd. */
export const cacheTests = 'integration/cache_test.go';

export const suites: readonly Suite[] = [
  { package: 'integration/clientv3/watch', files: null, readsFromMemory: false },
  { package: 'integration/clientv3/lease', files: null, readsFromMemory: true },
  { package: 'integration/clientv3/concurrency', files: null, readsFromMemory: true },
  { package: 'integration/clientv3/experimental/recipes', files: null, readsFromMemory: true },
  { package: 'integration/clientv3/naming', files: null, readsFromMemory: true },
  {
    package: 'integration/clientv3',
    files: [
      ...['mirror_test.go', 'namespace_test.go', 'kv_test.go', 'txn_test.go'],
      ...['ordering_kv_test.go', 'ordering_util_test.go'],
    ],
    readsFromMemory: true,
  },
  {
    package: 'integration',
    readsFromMemory: true,
    files: [
      'v3_lease_test.go',
      'v3_election_test.go',
      'v3_stm_test.go',
      'v3election_grpc_test.go',
      'v3lock_grpc_test.go',
      'cache_test.go',
    ],
  },
];
