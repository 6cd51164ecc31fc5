/** Compares two configurations: which changed settings a reload cannot apply. */
import type { Config, EffectiveSetting } from './config.ts';
import { isSettingName, settingOf } from './schema.ts';

/** Names of the changed settings that take effect only after a restart, in the order of the schema. */
export function needRestart(before: Config, after: Config): readonly string[] {
  const values = new Map(before.effective.map((setting) => [setting.name, serialized(setting)]));
  return after.effective
    .filter(({ name }) => needsRestart(name))
    .filter((setting) => values.get(setting.name) !== serialized(setting))
    .map(({ name }) => name);
}

/** `tenants` and `listeners` are not in the schema. A reload applies both. */
function needsRestart(name: string): boolean {
  return isSettingName(name) && settingOf(name).reload === 'restart';
}

function serialized({ value }: EffectiveSetting): string {
  return JSON.stringify(value);
}
