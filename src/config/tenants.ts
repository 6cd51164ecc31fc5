/**
 * Which tenants there are and where each of them connects: from `tenants` and `listeners` of the file, or, when there is
 * only one, from --namespace and --listen-addr. Whether namespaces get along is tenant/'s to say, not decided here.
 */
import { parseAddress, reaches } from './address.ts';
import type { ListenerConfig, TenantConfig } from './config.ts';
import type { ConfigFile, Entry, Given } from './file.ts';
import { type Problem, suggestion } from './problem.ts';
import type { SettingName, Settings } from './schema.ts';
import { BadValue, readValue } from './values.ts';

export interface Tenancy {
  readonly tenants: readonly TenantConfig[];
  readonly listeners: readonly ListenerConfig[];
}

/** `given` tells what was set explicitly, and where; anything else holds its default. */
export function resolveTenancy(
  settings: Settings,
  given: ReadonlyMap<SettingName, Given>,
  file: ConfigFile | null,
  problems: Problem[],
): Tenancy {
  const tenants = resolveTenants(settings, given, file?.tenants ?? null, problems);
  const listeners =
    file?.listeners == null
      ? sharedListeners(settings, given, tenants, problems)
      : ownListeners(file.listeners, given, tenants, problems);
  for (const [index, listener] of listeners.entries()) {
    const earlier = listeners.slice(0, index);
    if (earlier.some((other) => reaches(listener.address, other.address))) {
      problems.push({ where: `listener ${listener.name}`, what: 'stands there twice' });
    }
  }
  return { tenants, listeners };
}

/** The name of the only tenant, where nobody named it. */
const soleTenant = 'default';

function resolveTenants(
  settings: Settings,
  given: ReadonlyMap<SettingName, Given>,
  entries: readonly Entry[] | null,
  problems: Problem[],
): readonly TenantConfig[] {
  if (entries === null) {
    return [
      {
        name: soleTenant,
        namespace: settings.namespace,
        leaseTag: null,
        allowUndelimited: settings['allow-undelimited'],
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
  return entries.map((entry) => {
    const tenant = readTenant(entry, problems);
    if (names.has(tenant.name)) {
      problems.push({ where: entry.where, what: `a second tenant is called "${tenant.name}"` });
    }
    names.add(tenant.name);
    return tenant;
  });
}

/** Short and plain: it becomes a label of metrics and stands in every line of the log. */
const tenantName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function readTenant(entry: Entry, problems: Problem[]): TenantConfig {
  const report = (key: string, what: string) =>
    problems.push({ where: entry.fields.get(key)?.where ?? entry.where, what: `"${key}" ${what}` });
  const text = (key: string) => entry.fields.get(key)?.texts.at(-1);

  const name = text('name') ?? '';
  if (!tenantName.test(name)) {
    report('name', 'must be 1 to 63 letters, digits, dots, dashes or underscores');
  }
  const namespace = text('namespace');
  if (namespace === undefined) report('namespace', 'is missing');

  let leaseTag: number | null = null;
  const tagText = text('lease-tag');
  if (tagText !== undefined) {
    leaseTag = /^\d{1,10}$/.test(tagText) ? Number(tagText) : 0;
    if (leaseTag < 1 || leaseTag > 0xffff_ffff) report('lease-tag', 'must be 1 to 4294967295');
  }
  const undelimited = readValue('boolean', [text('allow-undelimited') ?? 'false'], noBounds);
  if (undelimited instanceof BadValue) report('allow-undelimited', `is ${undelimited.why}`);
  return {
    name,
    namespace: namespace ?? '',
    leaseTag,
    allowUndelimited: undelimited === true,
  };
}

const noBounds = { kind: 'boolean', default: 'false', section: 'namespace', doc: '' } as const;

/** --listen-addr, all of them for the one tenant. */
function sharedListeners(
  settings: Settings,
  given: ReadonlyMap<SettingName, Given>,
  tenants: readonly TenantConfig[],
  problems: Problem[],
): readonly ListenerConfig[] {
  if (tenants.length > 1) {
    problems.push({
      where: 'listeners',
      what: 'the list is missing: with several tenants each needs an address of its own',
    });
  }
  return settings['listen-addr'].map(({ text, address }, index) => ({
    name: text,
    address,
    tenant: tenants[0]?.name ?? soleTenant,
    required: index === 0 || given.has('listen-addr'),
  }));
}

function ownListeners(
  entries: readonly Entry[],
  given: ReadonlyMap<SettingName, Given>,
  tenants: readonly TenantConfig[],
  problems: Problem[],
): readonly ListenerConfig[] {
  const where = given.get('listen-addr')?.where;
  if (where !== undefined) {
    problems.push({ where, what: 'the file lists listeners; say it there' });
  }
  if (entries.length === 0) problems.push({ where: 'listeners', what: 'the list is empty' });
  const names = tenants.map((tenant) => tenant.name);
  const listeners: ListenerConfig[] = [];
  for (const entry of entries) {
    const address = entry.fields.get('address');
    const parsed = parseAddress(address?.texts.at(-1) ?? '');
    const tenant = entry.fields.get('tenant');
    const name = tenant?.texts.at(-1) ?? '';
    if (parsed === undefined) {
      problems.push({
        where: address?.where ?? entry.where,
        what: '"address" must be an address such as 127.0.0.1:2379 or unix:///path',
      });
    }
    if (!names.includes(name)) {
      problems.push({
        where: tenant?.where ?? entry.where,
        what: `"tenant" names no tenant of the list${suggestion(name, names)}`,
      });
    }
    if (parsed !== undefined) {
      listeners.push({ name: parsed.text, address: parsed.address, tenant: name, required: true });
    }
  }
  return listeners;
}
