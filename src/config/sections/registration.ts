/** The registration of the proxy in etcd, with the checks of etcd's own proxy (server/etcdmain/grpc_proxy.go, checkArgs). */
import { parseEndpoint } from '../address.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';
import type { TenantConfig } from './tenants.ts';

export interface RegistrationConfig {
  /** The keys are `prefix/ADDRESS`. */
  readonly prefix: string;
  readonly ttlSeconds: number;
}

/** Returns null if the proxy is not registered. */
export function resolveRegistration(
  settings: Settings,
  tenants: readonly TenantConfig[],
  report: ProblemReporter,
): RegistrationConfig | null {
  const prefix = settings['resolver-prefix'];
  const ttlSeconds = settings['resolver-ttl'];
  if (prefix === '' && ttlSeconds > 0) report('resolver-ttl', 'requires --resolver-prefix');
  if (prefix === '') return null;
  if (ttlSeconds === 0) report('resolver-ttl', 'must be at least 1 with --resolver-prefix');
  if (settings['advertise-client-url'].length === 0) {
    report('resolver-prefix', 'requires --advertise-client-url, the address to register');
  }
  for (const url of settings['advertise-client-url']) {
    if (parseEndpoint(url) === undefined) {
      report(
        'advertise-client-url',
        `contains ${JSON.stringify(url)}: --resolver-prefix requires addresses with a host and a port`,
      );
    }
  }
  const writer = tenants.find(
    ({ namespace }) => namespace !== '' && overlaps(namespace, `${prefix}/`),
  );
  if (writer !== undefined) {
    report(
      'resolver-prefix',
      `is in the namespace of tenant "${writer.name}", which could write it`,
    );
  }
  return { prefix, ttlSeconds };
}

function overlaps(namespace: string, prefix: string): boolean {
  return prefix.startsWith(namespace) || namespace.startsWith(prefix);
}
