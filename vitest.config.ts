import { defineConfig } from 'vitest/config';

// Four projects, fastest first. `unit` needs no etcd and no network but loopback; the others start the etcd they need
// themselves, and run one file at a time because each file owns real processes on a small machine.
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
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/{integration,isolation,differential}/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // What could depend on the transport, once more on the other one: the variable is the program's own.
          name: 'integration-grpc-js',
          include: [
            'test/differential/**/*.test.ts',
            'test/integration/{breaker,drain,etcd3,etcdctl,failover,keepalives,tls}.test.ts',
          ],
          env: { ETCD_BULKHEAD_TRANSPORT: 'grpc-js' },
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
