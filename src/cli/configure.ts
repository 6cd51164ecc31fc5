/**
 * From an invocation to a configuration, the same way for every command: flags, environment, file, tenants' checks, and
 * then either a Config or one report of everything that is wrong. This is where config/ and tenant/ meet.
 */
import type { Config } from '../config/config.ts';
import type { ConfigSources, LoadResult } from '../config/load.ts';
import { loadConfigInWorker } from '../config/load-in-worker.ts';
import { formatProblem, type Problem } from '../config/problem.ts';
import { type SettingName, type Settings, settingNames, settingOf } from '../config/schema.ts';
import { checkTenants } from '../tenant/directory.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { type FlagSet, type ParsedFlags, parseFlags } from './flags.ts';
import { commandHelp } from './help.ts';

export type ConfigureResult =
  | {
      readonly config: Config;
      readonly settings: Settings;
      readonly files: readonly string[];
      /** Reads the same sources again: the files they name may say something else by now. */
      readonly load: () => Promise<LoadResult>;
    }
  /** Nothing is left to do: help was printed, or mistakes were. */
  | { readonly config: null; readonly exitCode: number };

export interface ConfigureOptions {
  /** Flags of the command that are no settings; settings are all that are not dev's alone unless given. */
  readonly flags?: Partial<FlagSet>;
  readonly defaults?: NonNullable<ConfigSources['defaults']>;
  readonly file?: NonNullable<ConfigSources['file']>;
  /** Turns the command's own flags into settings or mistakes before anything else is read. */
  readonly adapt?: (flags: ParsedFlags) => Pick<ParsedFlags, 'settings' | 'problems'>;
}

/** All that make sense for a proxy which somebody else configured. */
export const serverSettings: readonly SettingName[] = settingNames.filter(
  (name) => settingOf(name).dev !== 'only',
);

export async function configure(
  command: Pick<Command, 'name' | 'summary'>,
  { args, environment, output }: Invocation,
  {
    flags: { settings = serverSettings, others = {} } = {},
    adapt,
    ...sources
  }: ConfigureOptions = {},
): Promise<ConfigureResult> {
  const parsed = parseFlags(args, { settings, others });
  if (parsed.wantsHelp) {
    output.out(commandHelp(command, settings, sources.defaults));
    return { config: null, exitCode: ExitCode.OK };
  }
  const adapted = adapt?.(parsed) ?? parsed;
  const load = () =>
    loadConfigInWorker({ flags: adapted.settings, environment, checkTenants, ...sources });
  const loaded = await load();
  const problems = [...adapted.problems, ...loaded.problems];
  if (loaded.config !== null && problems.length === 0) return { ...loaded, load };
  report(problems, output);
  return { config: null, exitCode: ExitCode.USAGE };
}

function report(problems: readonly Problem[], output: Invocation['output']): void {
  const count = problems.length === 1 ? 'one mistake' : `${problems.length} mistakes`;
  output.err(`etcd-bulkhead: the configuration has ${count}; nothing was started\n`);
  for (const problem of problems) output.err(`  ${formatProblem(problem)}\n`);
}
