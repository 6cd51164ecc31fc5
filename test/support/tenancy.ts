/** Configurations of tenants and listeners with nothing in them but what a test says, and the directories they make. */

import { formatProblem } from '../../src/config/problem.ts';
import type { ListenerConfig } from '../../src/config/sections/listeners.ts';
import type { TenantConfig } from '../../src/config/sections/tenants.ts';
import { noLimits } from '../../src/config/sections/usage-limits.ts';
import { buildDirectory, Directory, type DirectoryConfig } from '../../src/tenant/directory.ts';

export function tenantConfig(
  name: string,
  namespace = `${name}/`,
  more: Partial<TenantConfig> = {},
): TenantConfig {
  return {
    name,
    namespace,
    allowUndelimited: false,
    access: 'read-write',
    shareWatches: true,
    cacheReads: false,
    passesUnknownFields: false,
    limits: noLimits,
    owns: [],
    identities: [`user:${name}`, `claim:${name}`],
    ...more,
  };
}

/** No client is identified or accepted, unless `more` configures it. */
export function listenerConfig(name: string, more: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    name,
    address: { host: '127.0.0.1', port: 0 },
    tenant: null,
    identify: [],
    passesCredentials: false,
    tls: null,
    required: true,
    ...more,
  };
}

export function directoryConfig(config: Partial<DirectoryConfig> = {}): DirectoryConfig {
  return {
    tenants: [],
    leaseSecret: new Uint8Array(0),
    leaseIds: 'namespaced',
    listeners: [],
    users: new Map(),
    tokenKeys: [],
    bearer: null,
    uriPatterns: [],
    ...config,
  };
}

/** Throws what is wrong with it. */
export function directoryOf(
  config: Partial<DirectoryConfig>,
  { previous = null }: { previous?: Directory | null } = {},
): Directory {
  const built = buildDirectory(directoryConfig(config), previous);
  if (built instanceof Directory) return built;
  throw new Error(built.map(formatProblem).join('\n'));
}
