/**
 * The proxy in the test's own process, in front of a real etcd: own ports, no log output, stopped when it is disposed
 * of. It is built from the same configuration as on the command line.
 */
import { loadConfig } from '../../src/config/load.ts';
import type { SettingName } from '../../src/config/schema.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { type DrainReport, type RunningProxy, startProxy } from '../../src/proxy/proxy.ts';

/** No admin port, no waiting when it stops, and only errors are logged. */
const quiet: Partial<Record<SettingName, string>> = {
  'admin-addr': '',
  'min-drain': '0s',
  'drain-window': '0s',
  'log-level': 'error',
  'audit-log': 'off',
};

/** The program's own, so that it counts for the whole program too, which test/support/sidecar.ts starts. */
const passedVariables = ['TRANSPORT', 'SHARE_WATCHES', 'CACHE_READS'].map(
  (name) => `ETCD_BULKHEAD_${name}`,
);
const passed = Object.fromEntries(
  passedVariables.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);

/** A tenant by its settings in the configuration file. */
export interface TestTenant {
  readonly name: string;
  readonly namespace: string;
  readonly 'allow-undelimited'?: boolean;
  readonly access?: 'read-only';
  readonly 'cache-reads'?: boolean;
  readonly role?: 'owner';
  readonly 'owner-methods'?: readonly string[];
}

export interface TestProxyOptions {
  /** `host:port` of the etcd members. */
  readonly endpoints: readonly string[];
  /** Each gets a listener of its own. */
  readonly tenants: readonly TestTenant[];
  /** Further settings, by their names in the configuration file. */
  readonly settings?: { readonly [name in SettingName]?: unknown };
}

export interface TestProxy extends AsyncDisposable, Pick<RunningProxy, 'adminAddress'> {
  /** Where the clients of a tenant connect, `host:port`. */
  address(tenant: string): string;
  /** Stops as on SIGTERM. Disposing does the same. */
  drain(): Promise<DrainReport>;
}

export async function startTestProxy(options: TestProxyOptions): Promise<TestProxy> {
  const { endpoints, tenants, settings } = options;
  // Listeners are distinguished by their addresses, so each has another loopback address, and any free port there.
  const listeners = tenants.map(({ name }, i) => ({ address: `127.0.0.${i + 1}:0`, tenant: name }));
  const loaded = await loadConfig({
    flags: new Map(),
    environment: passed,
    file: { name: 'test', text: JSON.stringify({ endpoints, tenants, listeners, ...settings }) },
    defaults: quiet,
    checkTenants: () => [],
  });
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems));
  const proxy = await startProxy(loaded.config, { logger: createLogger(loaded.config.logLevel) });
  let drained: Promise<DrainReport> | null = null;
  const drain = () => {
    drained ??= proxy.drain();
    return drained;
  };
  return {
    adminAddress: proxy.adminAddress,
    address: (tenant) => proxy.addresses[tenants.findIndex(({ name }) => name === tenant)] ?? '',
    drain,
    async [Symbol.asyncDispose]() {
      await drain();
    },
  };
}
