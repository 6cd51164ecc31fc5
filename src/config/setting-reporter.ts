/** Reports problems with settings: each at the flag, variable or line of the file that the value comes from. */
import type { ConfigFile, RawValue } from './file.ts';
import type { Problem, ProblemReporter } from './problem.ts';
import type { SettingName } from './schema.ts';

/** Values before they are parsed. */
export interface RawSettings {
  /** Values from flags, environment and file. Other settings have their defaults. */
  readonly explicit: ReadonlyMap<SettingName, RawValue>;
  /** Null without a configuration file, or if it cannot be read. */
  readonly file: ConfigFile | null;
}

export function settingReporter(
  { explicit, file }: RawSettings,
  problems: Problem[],
): ProblemReporter {
  return (setting, what) => {
    const raw = explicit.get(setting as SettingName);
    const isFromFile = raw !== undefined && raw === file?.settings.get(setting as SettingName);
    problems.push({
      where: raw?.where ?? `--${setting}`,
      // A flag or a variable contains the name of the setting, a line number does not.
      what: isFromFile ? `"${setting}" ${what}` : what,
    });
  };
}
