/**
 * Who there is, who connects where, and what proves it: one immutable snapshot of the configuration. A reload builds another
 * one and puts it in the place of this; calls under way keep the tenant that they began with.
 */
import type { Config } from '../config/config.ts';
import type { ListenerConfig } from '../config/sections/listeners.ts';
import type { TenantConfig } from '../config/sections/tenants.ts';
import type { Problem } from '../config/problem.ts';
import type { PasswordHash } from '../config/sections/users.ts';
import { BearerTokens, isSameBearer } from '../identity/bearer.ts';
import type { Clock } from '../runtime/clock.ts';
import { buildTenant } from './build-tenant.ts';
import { checkSeparation } from './separation.ts';
import type { Tenant } from './tenant.ts';
import { compileUriPattern, type NameOf } from './uri-pattern.ts';

/** How a listener tells who connects. */
export interface ListenerIdentity {
  /** Whoever shows no identity is this one; null: nobody. */
  readonly tenant: Tenant | null;
  readonly byUser: boolean;
  readonly byJwt: boolean;
  readonly byCertificate: boolean;
  readonly passesCredentials: boolean;
  /** All that decides which tenant an identity is here, but for the tenants' own: another text, other rules. */
  readonly rules: string;
}

export interface DirectoryParts {
  readonly tenants: readonly Tenant[];
  /** What the tenants were built from. */
  readonly configs: readonly TenantConfig[];
  /** `user:NAME`, `claim:VALUE`, `uri:`, `dns:` or `cn:` and a name of a certificate. */
  readonly identities: ReadonlyMap<string, Tenant>;
  readonly listeners: ReadonlyMap<string, ListenerIdentity>;
  readonly users: ReadonlyMap<string, PasswordHash>;
  readonly bearer: BearerTokens | null;
  readonly uriPatterns: readonly NameOf[];
}

export class Directory {
  /** Hashes of the passwords of tenants' users. */
  readonly users: ReadonlyMap<string, PasswordHash>;
  readonly bearer: BearerTokens | null;
  readonly #configs: ReadonlyMap<string, TenantConfig>;
  readonly #byName: ReadonlyMap<string, Tenant>;
  readonly #byIdentity: ReadonlyMap<string, Tenant>;
  readonly #listeners: ReadonlyMap<string, ListenerIdentity>;
  readonly #uriPatterns: readonly NameOf[];

  constructor(parts: DirectoryParts) {
    this.users = parts.users;
    this.bearer = parts.bearer;
    this.#configs = new Map(parts.configs.map((config) => [config.name, config]));
    this.#byName = new Map(parts.tenants.map((tenant) => [tenant.name, tenant]));
    this.#byIdentity = parts.identities;
    this.#listeners = parts.listeners;
    this.#uriPatterns = parts.uriPatterns;
  }

  get tenants(): Iterable<Tenant> {
    return this.#byName.values();
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

  /** By the whole URI, or by a pattern that it fits. */
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

  /** Whether a tenant is still what it was: not one that a reload has changed or removed. */
  has(tenant: Tenant): boolean {
    return this.#byName.get(tenant.name) === tenant;
  }
}

/** Where the snapshot in force is found. Whoever reloads replaces `current`. */
export interface CurrentDirectory {
  readonly current: Directory;
}

export type DirectoryConfig = Pick<
  Config,
  'tenants' | 'listeners' | 'users' | 'bearer' | 'uriPatterns'
>;

/** What is wrong with tenants taken together. */
export function checkTenants(tenants: readonly TenantConfig[]): readonly Problem[] {
  const problems: Problem[] = [];
  checkSeparation([...buildTenants(tenants, problems).values()], problems);
  return problems;
}

/**
 * The directory of a configuration, or everything that is wrong with its tenants. What `previous` has and did not change is
 * taken over: tenants with whatever hangs on the object, verified tokens, hashes that sessions refer to.
 */
export function buildDirectory(
  config: DirectoryConfig,
  clock: Clock,
  previous: Directory | null = null,
): Directory | readonly Problem[] {
  const problems: Problem[] = [];
  const users = takeOverUsers(config.users, previous);
  const tenants = buildTenants(config.tenants, problems);
  checkSeparation([...tenants.values()], problems);
  if (problems.length > 0) return problems;

  const identities = new Map<string, Tenant>();
  for (const tenantConfig of config.tenants) {
    const built = tenants.get(tenantConfig.name);
    if (built === undefined) continue;
    const tenant = previous === null ? built : takeOver(built, tenantConfig, { previous, users });
    tenants.set(tenant.name, tenant);
    for (const identity of tenantConfig.identities) identities.set(identity, tenant);
  }
  const listeners = new Map<string, ListenerIdentity>();
  for (const listener of config.listeners) {
    const tenant = listener.tenant === null ? null : tenants.get(listener.tenant);
    if (tenant === undefined) {
      const where = `listener ${listener.name}`;
      problems.push({ where, what: `there is no tenant "${listener.tenant}"` });
    } else {
      listeners.set(listener.name, listenerIdentity(listener, tenant, config));
    }
  }
  if (problems.length > 0) return problems;
  return new Directory({
    tenants: [...tenants.values()],
    configs: config.tenants,
    identities,
    listeners,
    users,
    bearer: takeOverBearer(config, clock, previous),
    uriPatterns: config.uriPatterns.map(compileUriPattern),
  });
}

function buildTenants(configs: readonly TenantConfig[], problems: Problem[]): Map<string, Tenant> {
  const tenants = new Map<string, Tenant>();
  for (const config of configs) {
    const tenant = buildTenant(config, problems);
    if (tenant !== null) tenants.set(tenant.name, tenant);
  }
  return tenants;
}

/**
 * What was known of a tenant by that name: all of it where nothing has changed, its compaction floor where at least its
 * keys are the same ones, and nothing otherwise.
 */
function takeOver(
  tenant: Tenant,
  config: TenantConfig,
  { previous, users }: { readonly previous: Directory; readonly users: Directory['users'] },
): Tenant {
  const known = previous.byName(tenant.name);
  const knownConfig = previous.configOf(tenant.name);
  if (known === null || knownConfig === null) return tenant;
  const { prefix, leaseTag } = known.keySpace;
  const hasSameKeys =
    leaseTag === tenant.keySpace.leaseTag && Buffer.compare(prefix, tenant.keySpace.prefix) === 0;
  if (!hasSameKeys) return tenant;
  // A password that was changed may have been changed because somebody else knew it.
  const hasSamePasswords = config.identities.every((identity) => {
    const user = identity.startsWith('user:') ? identity.slice('user:'.length) : '';
    return users.get(user) === previous.users.get(user);
  });
  const isSame = hasSamePasswords && JSON.stringify(config) === JSON.stringify(knownConfig);
  return isSame ? known : { ...tenant, state: known.state };
}

/** Hashes that are the same are the same objects: sessions compare them. */
function takeOverUsers(
  users: ReadonlyMap<string, PasswordHash>,
  previous: Directory | null,
): ReadonlyMap<string, PasswordHash> {
  if (previous === null) return users;
  return new Map(
    [...users].map(([user, hash]) => {
      const known = previous.users.get(user);
      return [user, known?.text === hash.text ? known : hash];
    }),
  );
}

function takeOverBearer(
  { bearer: config }: DirectoryConfig,
  clock: Clock,
  previous: Directory | null,
): BearerTokens | null {
  if (config === null) return null;
  const known = previous?.bearer ?? null;
  return known !== null && isSameBearer(known.config, config)
    ? known
    : new BearerTokens(config, clock);
}

function listenerIdentity(
  { identify, passesCredentials, tenant: name }: ListenerConfig,
  tenant: Tenant | null,
  { bearer, uriPatterns }: DirectoryConfig,
): ListenerIdentity {
  const byJwt = identify.includes('jwt');
  const byCertificate = identify.includes('certificate');
  // Keys are left out: to add one, as happens whenever they are rotated, makes nobody somebody else.
  const claims = byJwt && [bearer?.issuer, bearer?.audience, bearer?.claim];
  const patterns = byCertificate && uriPatterns;
  return {
    tenant,
    byUser: identify.includes('user'),
    byJwt,
    byCertificate,
    passesCredentials,
    rules: JSON.stringify([name, identify, passesCredentials, claims, patterns]),
  };
}
