/**
 * One immutable snapshot of the configuration: which tenants exist, which identities belong to them, and how each listener
 * identifies its clients. A reload builds a new snapshot that replaces this one as a whole. Calls in flight keep the tenant
 * they began with.
 */
import type { Config } from '../config/config.ts';
import type { Problem } from '../config/problem.ts';
import type { BearerConfig } from '../config/sections/bearer.ts';
import type { ListenerConfig } from '../config/sections/listeners.ts';
import type { TenantConfig } from '../config/sections/tenants.ts';
import type { PasswordHash } from '../config/sections/users.ts';
import type { KeySpace, KeySpaceOptions } from '../etcd/key-space.ts';
import { LeaseKeys } from '../etcd/lease-keys.ts';
import { buildTenant } from './build-tenant.ts';
import { checkSeparation } from './separation.ts';
import type { TenantState } from './state.ts';
import type { Tenant } from './tenant.ts';
import { compileUriPattern, type NameOf } from './uri-pattern.ts';

/** How a listener identifies its clients. */
export interface ListenerIdentity {
  /** The tenant of clients that present no identity. Null if the listener rejects them. */
  readonly tenant: Tenant | null;
  readonly byUser: boolean;
  readonly byJwt: boolean;
  readonly byCertificate: boolean;
  readonly passesCredentials: boolean;
  /** Everything that maps an identity to a tenant here, except the tenants' own settings. Equal texts are equal rules. */
  readonly rules: string;
}

export type DirectoryConfig = Pick<
  Config,
  | 'tenants'
  | 'leaseSecret'
  | 'leaseIds'
  | 'listeners'
  | 'users'
  | 'tokenKeys'
  | 'bearer'
  | 'uriPatterns'
> &
  Partial<Pick<Config, 'login'>>;

export class Directory {
  /** Password hashes of the tenants' users. */
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** Keys of session tokens. The first one signs. */
  readonly tokenKeys: readonly Uint8Array[];
  readonly bearer: BearerConfig | null;
  readonly #configs: ReadonlyMap<string, TenantConfig>;
  readonly #byName: ReadonlyMap<string, Tenant>;
  /** By `user:NAME`, `claim:VALUE`, or `uri:`, `dns:` or `cn:` and a name in a certificate. */
  readonly #byIdentity = new Map<string, Tenant>();
  readonly #listeners: ReadonlyMap<string, ListenerIdentity>;
  readonly #uriPatterns: readonly NameOf[];

  /** `tenants` has the tenants of `config`, and `listeners` its listeners, by name. */
  constructor(
    config: DirectoryConfig,
    tenants: ReadonlyMap<string, Tenant>,
    listeners: ReadonlyMap<string, ListenerIdentity>,
  ) {
    this.users = config.users;
    this.tokenKeys = config.tokenKeys;
    this.bearer = config.bearer;
    this.#configs = new Map(config.tenants.map((tenant) => [tenant.name, tenant]));
    this.#byName = tenants;
    this.#listeners = listeners;
    this.#uriPatterns = config.uriPatterns.map(compileUriPattern);
    for (const { name, identities } of config.tenants) {
      const tenant = tenants.get(name);
      if (tenant === undefined) continue;
      for (const identity of identities) this.#byIdentity.set(identity, tenant);
    }
  }

  byName(name: string): Tenant | null {
    return this.#byName.get(name) ?? null;
  }

  configOf(name: string): TenantConfig | null {
    return this.#configs.get(name) ?? null;
  }

  byIdentity(identity: string): Tenant | null {
    return this.#byIdentity.get(identity) ?? null;
  }

  /** By the exact URI, or else by the first pattern that matches it and names a tenant. */
  byUri(uri: string): Tenant | null {
    const exact = this.byIdentity(`uri:${uri}`);
    if (exact !== null) return exact;
    for (const nameOf of this.#uriPatterns) {
      const name = nameOf(uri);
      const tenant = name === null ? null : this.byName(name);
      if (tenant !== null) return tenant;
    }
    return null;
  }

  listener(name: string): ListenerIdentity | null {
    return this.#listeners.get(name) ?? null;
  }

  /** All tenants, in the order of the configuration. */
  get tenants(): readonly Tenant[] {
    return [...this.#byName.values()];
  }

  /** The states of all tenants. */
  get states(): readonly TenantState[] {
    return Array.from(this.#byName.values(), ({ state }) => state);
  }

  /** Makes the limits of this snapshot those of its tenants. Called when it becomes the current one. */
  applyLimits(): void {
    for (const { name, limits } of this.#configs.values()) {
      const tenant = this.#byName.get(name);
      tenant?.state.applyLimits(limits);
    }
  }

  /** The states that end with this snapshot: those of tenants that `next` does not have, or has with other stored keys. */
  statesMissingIn(next: Directory): readonly TenantState[] {
    return this.states.filter((state) => next.byName(state.tenantName)?.state !== state);
  }

  /** Returns false for a tenant that a reload has changed or removed. */
  has(tenant: Tenant): boolean {
    return this.#byName.get(tenant.name) === tenant;
  }
}

/** Holds the current snapshot. A reload replaces `current`. */
export interface CurrentDirectory {
  readonly current: Directory;
}

const noSecret = new Uint8Array(0);

/** Returns the problems of the tenants, also of those that are only wrong in combination. */
export function checkTenants(tenants: readonly TenantConfig[]): readonly Problem[] {
  const problems: Problem[] = [];
  const built = buildTenants(tenants, { leaseKeys: new LeaseKeys(noSecret) }, problems);
  checkSeparation([...built.values()], problems);
  return problems;
}

/** Returns the directory of a configuration, or its problems. `previous` is the snapshot that the directory will replace. */
export function buildDirectory(
  config: DirectoryConfig,
  previous: Directory | null = null,
): Directory | readonly Problem[] {
  const problems: Problem[] = [];
  const leases = {
    leaseKeys: new LeaseKeys(config.leaseSecret),
    mapsLeases: config.leaseIds === 'namespaced',
  };
  const built = buildTenants(config.tenants, leases, problems);
  checkSeparation([...built.values()], problems);
  if (problems.length > 0) return problems;
  const tenants = previous === null ? built : carriedOver(built, config, previous);
  const listeners = buildListeners(config, tenants, problems);
  return problems.length > 0 ? problems : new Directory(config, tenants, listeners);
}

function buildTenants(
  configs: readonly TenantConfig[],
  leases: KeySpaceOptions,
  problems: Problem[],
): Map<string, Tenant> {
  const tenants = new Map<string, Tenant>();
  for (const config of configs) {
    const tenant = buildTenant(config, leases, problems);
    if (tenant !== null) tenants.set(tenant.name, tenant);
  }
  return tenants;
}

/**
 * What a reload keeps. The state follows the stored keys, see state.ts. A tenant without any change also stays the same
 * object: `Directory.has` and, with it, the tenant's open streams depend on that.
 */
function carriedOver(
  built: ReadonlyMap<string, Tenant>,
  config: DirectoryConfig,
  previous: Directory,
): ReadonlyMap<string, Tenant> {
  const tenants = new Map(built);
  for (const tenantConfig of config.tenants) {
    const { name } = tenantConfig;
    const tenant = built.get(name);
    const before = previous.byName(name);
    const configBefore = previous.configOf(name);
    if (tenant === undefined || before === null || configBefore === null) continue;
    if (!isSameKeySpace(before.keySpace, tenant.keySpace)) continue;
    const isUnchanged =
      fingerprint(tenantConfig, config.users) === fingerprint(configBefore, previous.users);
    tenants.set(name, isUnchanged ? before : { ...tenant, state: before.state });
  }
  return tenants;
}

function isSameKeySpace(one: KeySpace, other: KeySpace): boolean {
  return (
    one.mapsLeases === other.mapsLeases &&
    one.leases.hasKeyOf(other.leases) &&
    Buffer.compare(one.prefix, other.prefix) === 0
  );
}

/**
 * Includes the tenant's passwords: one may have been changed because it had become known. Does not include its limits: they
 * are part of its state, and a change of them ends no streams.
 */
function fingerprint(config: TenantConfig, users: Directory['users']): string {
  const hashes = config.identities
    .filter((identity) => identity.startsWith('user:'))
    .map((identity) => users.get(identity.slice('user:'.length))?.text);
  return JSON.stringify([{ ...config, limits: null }, hashes]);
}

function buildListeners(
  config: DirectoryConfig,
  tenants: ReadonlyMap<string, Tenant>,
  problems: Problem[],
): ReadonlyMap<string, ListenerIdentity> {
  const listeners = new Map<string, ListenerIdentity>();
  for (const listener of config.listeners) {
    const tenant = listener.tenant === null ? null : tenants.get(listener.tenant);
    if (tenant === undefined) {
      const where = `listener ${listener.name}`;
      problems.push({ where, what: `the tenant "${listener.tenant}" does not exist` });
    } else {
      listeners.set(listener.name, listenerIdentity(listener, tenant, config));
    }
  }
  return listeners;
}

function listenerIdentity(
  { identify, passesCredentials, tenant: name }: ListenerConfig,
  tenant: Tenant | null,
  { bearer, uriPatterns, login }: DirectoryConfig,
): ListenerIdentity {
  const byJwt = identify.includes('jwt');
  const byCertificate = identify.includes('certificate');
  // Without the keys: they are rotated regularly, which changes the tenant of no token.
  const claims = byJwt && [bearer?.issuer, bearer?.audience, bearer?.claim];
  const patterns = byCertificate && uriPatterns;
  // Calls without credentials share watches with those of the proxy as long as both have no user at etcd.
  const credentials = passesCredentials && (login == null ? 'alone' : 'beside a login');
  return {
    tenant,
    byUser: identify.includes('user'),
    byJwt,
    byCertificate,
    passesCredentials,
    rules: JSON.stringify([name, identify, credentials, claims, patterns]),
  };
}
