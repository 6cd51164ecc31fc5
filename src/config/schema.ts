/**
 * The table of settings, one row each, in a file of settings/ for each section of --help. Flags, environment variables, keys of
 * the file, --help, docs/config.md and types are derived from it. Checks that involve several settings are in resolve.ts and
 * sections/.
 *
 * A secret is always configured as the name of a file, so that a configuration can be printed without redaction.
 */
import type { Setting, ValueOf } from './setting.ts';
import { clientSettings } from './settings/clients.ts';
import { etcdSettings } from './settings/etcd.ts';
import { limitSettings } from './settings/limits.ts';
import { namespaceSettings } from './settings/namespace.ts';
import { operationSettings } from './settings/operation.ts';
import { resilienceSettings } from './settings/resilience.ts';
import { shutdownSettings } from './settings/shutdown.ts';

export const schema = {
  ...operationSettings,
  ...etcdSettings,
  ...clientSettings,
  ...namespaceSettings,
  ...resilienceSettings,
  ...limitSettings,
  ...shutdownSettings,
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof schema;

export type Settings = {
  readonly [N in SettingName]: ValueOf[(typeof schema)[N]['kind']];
};

export const settingNames = Object.keys(schema) as readonly SettingName[];

/** The row of a setting, typed with the optional columns. */
export function settingOf(name: SettingName): Setting {
  return schema[name];
}

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(schema, name);
}

export const environmentPrefix = 'ETCD_BULKHEAD_';

/** `listen-addr` → `ETCD_BULKHEAD_LISTEN_ADDR`. */
export function environmentName(name: SettingName): string {
  return environmentPrefix + name.replaceAll('-', '_').toUpperCase();
}
