import { defineConfig } from 'vitest/config';

// `unit` needs no etcd and no network but loopback, `simulation` no network at all. The other projects start the etcd that
// they need on free ports, so their files can run in parallel. Files that measure time or memory run alone, at the end.
const withEtcd = { maxWorkers: 2, hookTimeout: 60_000, sequence: { groupOrder: 1 } };
const measured = 'test/integration/measured/**';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['test/support/contract-checks.ts'],
          include: ['test/{unit,property,fuzz,regression}/**/*.test.ts', 'test/tidy.test.ts'],
          testTimeout: 10_000,
        },
      },
      {
        // Simulated time and no sockets: pure computation.
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...withEtcd,
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          ...withEtcd,
          // The watch protocol once more, with a watch at etcd for each watch of a client.
          name: 'conformance-unshared',
          include: ['test/conformance/{watch,watch-progress,compact}.test.ts'],
          env: { ETCD_BULKHEAD_SHARE_WATCHES: 'false' },
          testTimeout: 30_000,
        },
      },
      {
        test: {
          ...withEtcd,
          // What reads take part in once more, in a namespace that is watched and read from memory.
          name: 'conformance-cached',
          include: ['test/conformance/{range,delete-range,txn,compact,start}.test.ts'],
          env: { ETCD_BULKHEAD_CACHE_READS: 'true' },
          testTimeout: 30_000,
        },
      },
      {
        test: {
          ...withEtcd,
          name: 'integration',
          include: ['test/{integration,isolation,differential}/**/*.test.ts'],
          exclude: [measured],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...withEtcd,
          // What can depend on the transport runs on the second one, too. The program itself reads the variable.
          name: 'integration-grpc-js',
          include: ['test/{differential,integration/both-transports}/**/*.test.ts'],
          env: { ETCD_BULKHEAD_TRANSPORT: 'grpc-js' },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...withEtcd,
          // What watches take part in once more, with a watch at etcd for each watch of a client.
          name: 'integration-unshared',
          include: [
            'test/{isolation,differential}/**/*.test.ts',
            'test/integration/both-transports/failover.test.ts',
            'test/integration/leak.test.ts',
          ],
          // It sets the option itself.
          exclude: ['test/isolation/shared-feeds.test.ts'],
          env: { ETCD_BULKHEAD_SHARE_WATCHES: 'false' },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...withEtcd,
          // Random programs once more, with reads from memory.
          name: 'integration-cached',
          include: ['test/differential/**/*.test.ts'],
          env: { ETCD_BULKHEAD_CACHE_READS: 'true' },
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'integration-measured',
          include: [`${measured}/*.test.ts`],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
