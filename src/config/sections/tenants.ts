/**
 * Which tenants there are: from `tenants` of the file, or, when there is only one, from --namespace. It knows one tenant's
 * keys and that no two share a name or an identity; whether namespaces get along is tenant/'s to say.
 */
import { type MethodName, ownerMethods } from '../../etcd/methods.ts';
import type { ListEntry, RawValue } from '../file.ts';
import { ListEntryReader } from '../list-entry.ts';
import { type Problem, suggestion } from '../problem.ts';
import type { SettingName, Settings } from '../schema.ts';

/** `read-only` rejects every write, also one inside a transaction, with etcd's own PermissionDenied. */
export type Access = 'read-write' | 'read-only';

/** One tenant as configured. tenant/ checks it against the others and builds the `Tenant` from it. */
export interface TenantConfig {
  readonly name: string;
  /** Key prefix, as UTF-8 text. Empty: the whole cluster. */
  readonly namespace: string;
  /** The upper 32 bits of the tenant's stored lease IDs. Null: derived from the namespace. */
  readonly leaseTag: number | null;
  /** The namespace may end without a delimiter: its owner makes sure that it overlaps with no other. */
  readonly allowUndelimited: boolean;
  readonly access: Access;
  /** Cluster-wide methods that the tenant may call as the owner of the cluster. */
  readonly owns: readonly MethodName[];
  /**
   * Identities that map to this tenant on listeners with `identify`: `user:NAME`, `claim:VALUE`, or `uri:`, `dns:` or
   * `cn:` and a name from the client certificate. No two tenants share one.
   */
  readonly identities: readonly string[];
}

/** The name of the only tenant, where nobody named it. */
export const defaultTenantName = 'default';

/** `given` tells what was set explicitly, and where; anything else holds its default. */
export function resolveTenants(
  settings: Settings,
  given: ReadonlyMap<SettingName, RawValue>,
  entries: readonly ListEntry[] | null,
  problems: Problem[],
): readonly TenantConfig[] {
  const isReadOnly = settings['read-only'];
  if (entries === null) {
    return [
      {
        name: defaultTenantName,
        namespace: settings.namespace,
        leaseTag: null,
        allowUndelimited: settings['allow-undelimited'],
        access: isReadOnly ? 'read-only' : 'read-write',
        owns: [],
        identities: defaultIdentities(defaultTenantName),
      },
    ];
  }
  for (const name of ['namespace', 'allow-undelimited'] as const) {
    const where = given.get(name)?.where;
    if (where !== undefined) {
      problems.push({ where, what: `"${name}" is for a single tenant; the file lists tenants` });
    }
  }
  if (entries.length === 0) problems.push({ where: 'tenants', what: 'the list is empty' });
  const names = new Set<string>();
  const owners = new Map<string, string>();
  return entries.map((entry) => {
    const read = readTenant(entry, problems);
    const tenant: TenantConfig = isReadOnly ? { ...read, access: 'read-only' } : read;
    if (names.has(tenant.name)) {
      problems.push({ where: entry.where, what: `a second tenant is called "${tenant.name}"` });
    }
    names.add(tenant.name);
    for (const identity of tenant.identities) {
      const owner = owners.get(identity) ?? tenant.name;
      if (owner !== tenant.name) {
        const where = entry.fields.get('identities')?.where ?? entry.where;
        problems.push({ where, what: `"${identity}" is tenant "${owner}" already` });
      }
      owners.set(identity, owner);
    }
    return tenant;
  });
}

/** Short and plain: it becomes a label of metrics and stands in every line of the log. */
const tenantName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function readTenant(entry: ListEntry, problems: Problem[]): TenantConfig {
  const reader = new ListEntryReader(entry, problems);
  const name = reader.text('name') ?? '';
  if (!tenantName.test(name)) {
    reader.report('name', 'must be 1 to 63 letters, digits, dots, dashes or underscores');
  }
  const namespace = reader.text('namespace');
  if (namespace === undefined) reader.report('namespace', 'is missing');

  let leaseTag: number | null = null;
  const tagText = reader.text('lease-tag');
  if (tagText !== undefined) {
    leaseTag = /^\d{1,10}$/.test(tagText) ? Number(tagText) : 0;
    if (leaseTag < 1 || leaseTag > 0xffff_ffff) {
      reader.report('lease-tag', 'must be 1 to 4294967295');
    }
  }
  return {
    name,
    namespace: namespace ?? '',
    leaseTag,
    allowUndelimited: reader.boolean('allow-undelimited'),
    access: reader.choice('access', ['read-write', 'read-only']),
    owns: readOwned(reader),
    identities: readIdentities(reader) ?? defaultIdentities(name),
  };
}

/** Who says nothing else about a tenant means that users and bearer tokens call it by its name. */
function defaultIdentities(name: string): readonly string[] {
  return [`user:${name}`, `claim:${name}`];
}

/** The name behind the service, as in `Compact`. No two methods for owners share one. */
const ownerMethodsByName: ReadonlyMap<string, MethodName> = new Map(
  [...ownerMethods].map((name) => [name.slice(name.indexOf('/') + 1), name]),
);

function readOwned(reader: ListEntryReader): readonly MethodName[] {
  const isOwner = reader.choice('role', ['tenant', 'owner']) === 'owner';
  const texts = reader.texts('owner-methods');
  if (texts !== undefined && !isOwner) reader.report('owner-methods', 'needs "role: owner"');
  if (texts === undefined) return isOwner ? [...ownerMethodsByName.values()] : [];
  const known = [...ownerMethodsByName.keys()];
  return texts.flatMap((text) => {
    const method = ownerMethodsByName.get(text);
    if (method !== undefined) return [method];
    const hint = suggestion(text, known) || `; there are ${known.join(', ')}`;
    reader.report('owner-methods', `has "${text}", which is no method for owners${hint}`);
    return [];
  });
}

const identityKinds = ['user', 'claim', 'uri', 'dns', 'cn'];

function readIdentities(reader: ListEntryReader): readonly string[] | undefined {
  const texts = reader.texts('identities');
  return texts?.map((text) => {
    const [kind = '', ...rest] = text.split(':');
    if (!identityKinds.includes(kind) || rest.join(':') === '') {
      const hint = suggestion(kind, identityKinds);
      const form = `must begin with ${identityKinds.map((each) => `${each}:`).join(' ')}`;
      reader.report('identities', `has "${text}", which ${form}${hint}`);
    }
    // Names of hosts are the same in any case. Certificates' are compared in lower case too.
    return kind === 'dns' ? text.toLowerCase() : text;
  });
}
