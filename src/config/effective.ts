/**
 * Adds `tenants` and `listeners` to the effective settings, in the format of the file and without defaults. For
 * print-config and /configz.
 */
import type { Config, EffectiveSetting } from './config.ts';
import {
  type ConfigFile,
  listenerFileKeys,
  type RawValue,
  socketKeys,
  type TenantKey,
} from './file.ts';
import { type SettingName, settingOf } from './schema.ts';
import type { ListenerConfig } from './sections/listeners.ts';
import type { TenantConfig } from './sections/tenants.ts';
import { tenantLimitKeys } from './sections/usage-limits.ts';

/** Adds the lists of the file, and removes the settings that they replace. */
export function effectiveSettings(
  settings: readonly EffectiveSetting[],
  file: ConfigFile | null,
  { tenants, listeners }: Pick<Config, 'tenants' | 'listeners'>,
): readonly EffectiveSetting[] {
  const lists: EffectiveSetting[] = [];
  const replaced = new Set<string>();
  if (file?.tenants != null) {
    replaced.add('namespace').add('allow-undelimited').add('owner-methods');
    const defaults = new Map(settings.map(({ name, value }) => [name, value]));
    const values = tenants.map((tenant, index) => ({
      ...tenantValue(tenant),
      ...unlessDefault('share-watches', tenant.shareWatches, defaults),
      ...unlessDefault('cache-reads', tenant.cacheReads, defaults),
      ...unlessDefault('pass-unknown-fields', tenant.passesUnknownFields, defaults),
      ...ownLimits(file.tenants?.[index]?.fields ?? new Map(), defaults),
    }));
    lists.push({ name: 'tenants', value: values, origin: 'file' });
  }
  if (file?.listeners != null) {
    replaced.add('listen-addr').add('pass-credentials');
    // ListenerConfig has the contents of these files, but not their names, and the number of a group, but not its name.
    const values = (file.listeners ?? []).map(({ fields }, index) => {
      const files = [...listenerFileKeys, ...socketKeys].flatMap((key) => {
        const text = fields.get(key)?.texts.at(-1);
        return text === undefined ? [] : [[key, text] as const];
      });
      return { ...listenerValue(listeners[index]), ...Object.fromEntries(files) };
    });
    lists.push({ name: 'listeners', value: values, origin: 'file' });
  }
  return [...settings.filter(({ name }) => !replaced.has(name)), ...lists];
}

type FileValue = Readonly<Record<string, unknown>>;

function tenantValue(tenant: TenantConfig): FileValue {
  const { name, namespace, allowUndelimited, access, owns, identities } = tenant;
  const isDefault = identities.join() === `user:${name},claim:${name}`;
  return {
    name,
    namespace,
    ...(allowUndelimited ? { 'allow-undelimited': true } : {}),
    ...(access === 'read-write' ? {} : { access }),
    ...(owns.length === 0
      ? {}
      : { role: 'owner', 'owner-methods': owns.map((each) => each.slice(each.indexOf('/') + 1)) }),
    ...(isDefault ? {} : { identities }),
  };
}

/** A key of a tenant whose default is the setting with the same name. */
function unlessDefault(
  name: SettingName,
  value: boolean,
  defaults: ReadonlyMap<string, unknown>,
): FileValue {
  return value === defaults.get(name) ? {} : { [name]: value };
}

/** The limits of a tenant as they are in the file. */
function ownLimits(
  fields: ReadonlyMap<TenantKey, RawValue>,
  defaults: ReadonlyMap<string, unknown>,
): FileValue {
  const own = tenantLimitKeys.flatMap((key) => {
    const text = fields.get(key)?.texts.at(-1);
    if (text === undefined || text === String(defaults.get(key))) return [];
    return [[key, settingOf(key).kind === 'integer' ? Number(text) : text] as const];
  });
  return Object.fromEntries(own);
}

function listenerValue(listener: ListenerConfig | undefined): FileValue {
  if (listener === undefined) return {};
  const { name, tenant, identify, passesCredentials } = listener;
  return {
    address: name,
    ...(tenant === null ? {} : { tenant }),
    ...(identify.length === 0 ? {} : { identify }),
    ...(passesCredentials ? { 'pass-credentials': true } : {}),
  };
}
