/**
 * Loads the configuration of a command from flags, environment and file. Returns a Config, or prints help or all problems
 * and returns an exit code. Injects the checks of tenant/ into config/.
 */
import type { Config } from '../config/config.ts';
import type { FileDigests } from '../config/file-contents.ts';
import { type ConfigSources, type LoadResult, loadConfig } from '../config/load.ts';
import { withPipedFile } from '../config/piped-file.ts';
import { formatProblem, type Problem } from '../config/problem.ts';
import { type SettingName, type Settings, settingNames, settingOf } from '../config/schema.ts';
import type { SelfSignedFiles, SelfSignedRequest } from '../config/self-signed.ts';
import { EndpointSource } from '../discovery/endpoint-source.ts';
import { systemClock } from '../runtime/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import { checkTenants } from '../tenant/directory.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { type FlagSet, type ParsedFlags, parseFlags } from './flags.ts';
import { commandHelp } from './help.ts';

export type ConfigureResult =
  | {
      readonly config: Config;
      readonly settings: Settings;
      readonly files: FileDigests;
      /** Loads from the same sources again; the contents of files may have changed. Never rejects. */
      readonly load: () => Promise<LoadResult>;
      /** Where `load` takes endpoints from that are not configured. */
      readonly source: EndpointSource;
    }
  /** Help or problems were printed. */
  | { readonly config: null; readonly exitCode: number };

export interface ConfigureOptions {
  /** Flags of the command. By default, all settings except those that only `dev` has. */
  readonly flags?: Partial<FlagSet>;
  readonly defaults?: NonNullable<ConfigSources['defaults']>;
  readonly file?: NonNullable<ConfigSources['file']>;
  /** Whether the command serves clients, so that files of --auto-tls are made. */
  readonly serves?: true;
  /** Converts flags that are not settings to settings or problems, before anything else is read. */
  readonly adapt?: (flags: ParsedFlags) => AdaptedFlags;
}

export interface AdaptedFlags extends Pick<ParsedFlags, 'settings' | 'problems'> {
  /** Defaults that depend on the flags. The environment and the file override them. */
  readonly defaults?: NonNullable<ConfigSources['defaults']>;
}

/** All settings except those that only `dev` has. */
export const serverSettings: readonly SettingName[] = settingNames.filter(
  (name) => settingOf(name).dev !== 'only',
);

export async function configure(
  command: Pick<Command, 'name' | 'summary'>,
  { args, environment, output }: Invocation,
  {
    flags: { settings = serverSettings, others = {} } = {},
    adapt,
    serves,
    ...sources
  }: ConfigureOptions = {},
): Promise<ConfigureResult> {
  const parsed = parseFlags(args, { settings, others });
  if (parsed.wantsHelp) {
    output.out(commandHelp(command, settings, sources.defaults));
    return { config: null, exitCode: ExitCode.OK };
  }
  const adapted: AdaptedFlags = adapt?.(parsed) ?? parsed;
  const source = new EndpointSource({ clock: systemClock, random: systemRandom });
  const own = {
    ...{ flags: adapted.settings, environment, checkTenants },
    // Problems with flags of the command are not known to `loadConfig`.
    ...(serves && adapted.problems.length === 0 && { selfSigned: makeSelfSigned }),
    ...(serves && { endpoints: (settings: Settings) => source.endpoints(settings) }),
  };
  const defaults = { ...sources.defaults, ...adapted.defaults };
  const input = await withPipedFile({ ...own, ...sources, defaults });
  if ('what' in input) {
    report([...adapted.problems, input], output);
    return { config: null, exitCode: ExitCode.USAGE };
  }
  const load = () => loadConfig(input);
  const loaded = await load();
  const problems = [...adapted.problems, ...loaded.problems];
  if (loaded.config !== null && problems.length === 0) return { ...loaded, load, source };
  report(problems, output);
  return { config: null, exitCode: ExitCode.USAGE };
}

/** Loaded when it is needed. */
async function makeSelfSigned(request: SelfSignedRequest): Promise<SelfSignedFiles> {
  const { selfSigned } = await import('../config/self-signed.ts');
  return selfSigned(request);
}

function report(problems: readonly Problem[], output: Invocation['output']): void {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  output.err(`etcd-bulkhead: invalid configuration, ${count}:\n`);
  for (const problem of problems) output.err(`  ${formatProblem(problem)}\n`);
}
