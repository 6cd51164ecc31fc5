/**
 * The tenants: from `tenants` in the file, or a single one from --namespace. Checks the keys of each tenant, and that no
 * two tenants share a name or an identity. tenant/ checks that their namespaces do not overlap.
 */
import { type MethodName, ownerMethods, unprefixedMethods } from '../../etcd/methods.ts';
import type { ListEntry, TenantKey } from '../file.ts';
import { ListEntryReader } from '../list-entry.ts';
import { type Problem, type ProblemReporter, suggestion } from '../problem.ts';
import type { Settings } from '../schema.ts';
import type { RawSettings } from '../setting-reporter.ts';
import { readTenantLimits, resolveTenantLimits, type UsageLimits } from './usage-limits.ts';

/** `read-only` rejects every write, also one inside a transaction, with etcd's own PermissionDenied. */
export type Access = 'read-write' | 'read-only';

/** One tenant as configured. tenant/ checks it against the others and builds the `Tenant` from it. */
export interface TenantConfig {
  readonly name: string;
  /** Key prefix, as UTF-8 text. Empty: the whole cluster. */
  readonly namespace: string;
  /** Allows a namespace without a trailing delimiter. Its owner ensures that no other keys begin with it. */
  readonly allowUndelimited: boolean;
  readonly access: Access;
  /** Whether the tenant's watches on one range share one watch at etcd. */
  readonly shareWatches: boolean;
  /** Whether reads of a range that is watched are served from memory. */
  readonly cacheReads: boolean;
  /** Whether requests may contain fields that the proxy does not know. */
  readonly passesUnknownFields: boolean;
  /** A reload applies changes of these to calls and streams that are open. */
  readonly limits: UsageLimits;
  /** Cluster-wide methods that the tenant may call as the owner of the cluster. */
  readonly owns: readonly MethodName[];
  /**
   * Identities that map to this tenant on listeners with `identify`: `user:NAME`, `claim:VALUE`, or `uri:`, `dns:` or
   * `cn:` and a name from the client certificate. No two tenants share one.
   */
  readonly identities: readonly string[];
}

/** Name of the tenant that --namespace configures. */
export const defaultTenantName = 'default';

export interface TenantsInput extends RawSettings {
  readonly settings: Settings;
  readonly report: ProblemReporter;
}

export function resolveTenants(
  { settings, explicit, file, report }: TenantsInput,
  problems: Problem[],
): readonly TenantConfig[] {
  const entries = file?.tenants ?? null;
  // Also if every tenant has limits of its own: a contradiction between settings is reported in any case.
  const limits = resolveTenantLimits(settings, explicit, report);
  if (entries === null) return [singleTenant(settings, limits, report)];
  for (const name of ['namespace', 'allow-undelimited', 'owner-methods'] as const) {
    if (explicit.has(name)) report(name, 'cannot be combined with a list of tenants in the file');
  }
  if (entries.length === 0) problems.push({ where: 'tenants', what: 'the list must not be empty' });
  const names = new Set<string>();
  const owners = new Map<string, string>();
  return entries.map((entry) => {
    const read = readTenant(entry, settings, limits, problems);
    const tenant: TenantConfig = settings['read-only'] ? { ...read, access: 'read-only' } : read;
    if (names.has(tenant.name)) {
      problems.push({ where: entry.where, what: `the name "${tenant.name}" is used twice` });
    }
    names.add(tenant.name);
    for (const identity of tenant.identities) {
      const owner = owners.get(identity) ?? tenant.name;
      if (owner !== tenant.name) {
        const where = entry.fields.get('identities')?.where ?? entry.where;
        const what = `the identity "${identity}" already belongs to tenant "${owner}"`;
        problems.push({ where, what });
      }
      owners.set(identity, owner);
    }
    return tenant;
  });
}

function singleTenant(
  settings: Settings,
  limits: UsageLimits,
  report: ProblemReporter,
): TenantConfig {
  return {
    name: defaultTenantName,
    namespace: settings.namespace,
    allowUndelimited: settings['allow-undelimited'],
    access: settings['read-only'] ? 'read-only' : 'read-write',
    shareWatches: settings['share-watches'],
    cacheReads: settings['cache-reads'],
    passesUnknownFields: settings['pass-unknown-fields'],
    limits,
    owns: ownedMethods(settings['owner-methods'], settings.namespace, report),
    identities: defaultIdentities(defaultTenantName),
  };
}

/** Short and simple, because the name is a metric label and a field of log lines. */
const tenantName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function readTenant(
  entry: ListEntry<TenantKey>,
  settings: Settings,
  defaults: UsageLimits,
  problems: Problem[],
): TenantConfig {
  const reader = new ListEntryReader(entry, problems);
  const name = reader.text('name') ?? '';
  if (!tenantName.test(name)) {
    reader.report(
      'name',
      'must be 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit',
    );
  }
  const namespace = reader.text('namespace');
  if (namespace === undefined) reader.report('namespace', 'is required');
  return {
    name,
    namespace: namespace ?? '',
    allowUndelimited: reader.boolean('allow-undelimited'),
    access: reader.choice('access', ['read-write', 'read-only']),
    shareWatches: reader.boolean('share-watches', settings['share-watches']),
    cacheReads: reader.boolean('cache-reads', settings['cache-reads']),
    passesUnknownFields: reader.boolean('pass-unknown-fields', settings['pass-unknown-fields']),
    limits: readTenantLimits(reader, settings, defaults),
    owns: readOwnerMethods(reader, namespace ?? ''),
    identities: readIdentities(reader) ?? defaultIdentities(name),
  };
}

/** The identities of a tenant without `identities`: the user and the claim with its name. */
function defaultIdentities(name: string): readonly string[] {
  return [`user:${name}`, `claim:${name}`];
}

/** By the name without its service, such as `Compact`. These names are unique among the owner's methods. */
const ownerMethodsByName: ReadonlyMap<string, MethodName> = new Map(
  [...ownerMethods].map((name) => [name.slice(name.indexOf('/') + 1), name]),
);

function readOwnerMethods(
  reader: ListEntryReader<TenantKey>,
  namespace: string,
): readonly MethodName[] {
  const isOwner = reader.choice('role', ['tenant', 'owner']) === 'owner';
  const texts = reader.texts('owner-methods');
  if (texts !== undefined && !isOwner) reader.report('owner-methods', 'requires "role: owner"');
  return ownedMethods(texts ?? (isOwner ? ['all'] : []), namespace, reader.report);
}

/** `texts` are names of methods, `all` for those that are possible with this namespace, or `all-but-members` without MemberList. */
function ownedMethods(
  texts: readonly string[],
  namespace: string,
  report: ProblemReporter,
): readonly MethodName[] {
  const possible = [...ownerMethodsByName.values()].filter(
    (method) => namespace === '' || !unprefixedMethods.has(method),
  );
  if (texts.join() === 'all') return possible;
  if (texts.join() === 'all-but-members') {
    return possible.filter((method) => method !== 'etcdserverpb.Cluster/MemberList');
  }
  const known = [...ownerMethodsByName.keys()];
  return texts.flatMap((text) => {
    const method = ownerMethodsByName.get(text);
    if (method !== undefined && possible.includes(method)) return [method];
    if (method !== undefined) {
      report('owner-methods', `contains "${text}", which requires an empty namespace`);
      return [];
    }
    const hint = suggestion(text, known) || `; valid methods are ${known.join(', ')}`;
    report('owner-methods', `contains "${text}", which is not an owner method${hint}`);
    return [];
  });
}

const identityKinds = ['user', 'claim', 'uri', 'dns', 'cn'];

function readIdentities(reader: ListEntryReader<TenantKey>): readonly string[] | undefined {
  const texts = reader.texts('identities');
  return texts?.map((text) => {
    const [kind = '', ...rest] = text.split(':');
    if (!identityKinds.includes(kind) || rest.join(':') === '') {
      const forms = 'user:NAME, claim:VALUE, uri:URI, dns:NAME or cn:NAME';
      const hint = suggestion(kind, identityKinds);
      reader.report('identities', `must have the form ${forms}, not "${text}"${hint}`);
    }
    // Host names are case-insensitive. Those of certificates are compared in lower case too.
    return kind === 'dns' ? text.toLowerCase() : text;
  });
}
