/**
 * The command line of the commands that transfer keys. The flags towards etcd are settings of the proxy, with the same names,
 * environment variables and checks; each command has a few flags of its own beside them. All problems are reported at once.
 */
import type { Config } from '../../config/config.ts';
import { type Environment, loadConfig } from '../../config/load.ts';
import { formatProblem, type Problem } from '../../config/problem.ts';
import {
  environmentName,
  environmentPrefix,
  type SettingName,
  settingNames,
} from '../../config/schema.ts';
import { durationMs } from '../../config/values.ts';
import { type Command, ExitCode, type Invocation } from '../command.ts';
import { type ParsedFlags, parseFlags } from '../flags.ts';
import { commandHelp } from '../help.ts';

/** The settings of a connection to a cluster. */
export const clusterSettings = [
  ...(['endpoints', 'cacert', 'cert', 'key', 'user', 'password-file'] as const),
  ...(['server-name', 'insecure-skip-tls-verify'] as const),
] as const satisfies readonly SettingName[];

const commonSettings: readonly SettingName[] = [
  ...clusterSettings,
  ...(['dial-keepalive-time', 'dial-keepalive-timeout', 'transport'] as const),
  ...(['namespace', 'lease-secret-file'] as const),
];

/** A flag that is not a setting of the proxy. */
export interface OwnFlag {
  readonly isBoolean?: boolean;
  /** Kind of the value, for --help. */
  readonly kind?: string;
  readonly default?: string;
  readonly isRequired?: boolean;
  readonly doc: string;
}

export interface OptionsSpec<Name extends string> {
  readonly flags: Readonly<Record<Name, OwnFlag>>;
  /** Further settings of the command. */
  readonly settings?: readonly SettingName[];
  readonly defaults?: Partial<Record<SettingName, string>>;
  /** Checks beyond those of single values. */
  readonly check?: (flags: GivenFlags<Name>) => readonly Problem[] | Promise<readonly Problem[]>;
}

/** The flags of the command itself, with their defaults. */
export class GivenFlags<Name extends string> {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #flags: Readonly<Record<Name, OwnFlag>>;

  constructor(texts: ReadonlyMap<string, string>, flags: Readonly<Record<Name, OwnFlag>>) {
    this.#texts = texts;
    this.#flags = flags;
  }

  text(name: Name): string {
    return this.#texts.get(name) ?? this.#flags[name].default ?? '';
  }

  isGiven(name: Name): boolean {
    return this.#texts.has(name);
  }

  isSet(name: Name): boolean {
    return this.text(name) === 'true';
  }

  /** A duration in milliseconds. NaN if it is not a duration. */
  ms(name: Name): number {
    return durationMs(this.text(name)) ?? Number.NaN;
  }
}

/** A valid command line. */
export interface Options<Name extends string> {
  readonly config: Config;
  readonly flags: GivenFlags<Name>;
  /** The prefix of keys at etcd. */
  readonly namespace: Buffer;
}

/** Returns the options, or an exit code after help or problems were printed. */
export async function readOptions<Name extends string>(
  command: Pick<Command, 'name' | 'summary'>,
  { args, environment, output }: Invocation,
  spec: OptionsSpec<Name>,
): Promise<Options<Name> | number> {
  const settings = [...commonSettings, ...(spec.settings ?? [])];
  const own = Object.entries<OwnFlag>(spec.flags);
  const others = Object.fromEntries(
    own.map(([name, { isBoolean = false }]) => [name, { isBoolean }]),
  );
  const parsed = parseFlags(args, { settings, others });
  if (parsed.wantsHelp) {
    output.out(helpOf(command, settings, spec));
    return ExitCode.OK;
  }
  const loaded = await loadConfig({
    flags: parsed.settings,
    environment: relevant(environment, settings),
    defaults: { ...quiet, ...spec.defaults },
    checkTenants: () => [],
  });
  const flags = new GivenFlags(parsed.others, spec.flags);
  const problems = [
    ...[...parsed.problems, ...loaded.problems, ...missing(parsed, environment, own)],
    ...((await spec.check?.(flags)) ?? []),
  ];
  if (loaded.config !== null && problems.length === 0) {
    const { config } = loaded;
    return { config, flags, namespace: Buffer.from(config.tenants[0]?.namespace ?? '') };
  }
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  output.err(`etcd-bulkhead: invalid command line, ${count}:\n`);
  for (const problem of problems) output.err(`  ${formatProblem(problem)}\n`);
  return ExitCode.USAGE;
}

/**
 * These commands have no clients: they listen nowhere, and the common name of a client certificate is meant as the user of the
 * command. They write nothing into a namespace that they do not read from the command line.
 */
export const quiet: Partial<Record<SettingName, string>> = {
  'listen-addr': '127.0.0.1:0',
  'admin-addr': '',
  'allow-common-name': 'true',
};

/** The environment may be that of a sidecar. Its other settings have no meaning here; unknown names are still reported. */
function relevant(environment: Environment, settings: readonly SettingName[]): Environment {
  const ignored = new Set(
    settingNames.filter((name) => !settings.includes(name)).map(environmentName),
  );
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !ignored.has(name)));
}

function missing(
  { settings, others }: ParsedFlags,
  environment: Environment,
  own: readonly (readonly [string, OwnFlag])[],
): readonly Problem[] {
  const names = own.filter(([name, flag]) => flag.isRequired === true && !others.has(name));
  const problems = names.map(([name]) => ({ where: `--${name}`, what: 'is required' }));
  if (!settings.has('namespace') && environment[`${environmentPrefix}NAMESPACE`] === undefined) {
    problems.push({ where: '--namespace', what: 'is required; "" means the keys of all tenants' });
  }
  return problems;
}

function helpOf<Name extends string>(
  command: Pick<Command, 'name' | 'summary'>,
  settings: readonly SettingName[],
  { flags, defaults = {} }: OptionsSpec<Name>,
): string {
  const own = Object.entries<OwnFlag>(flags).flatMap(([name, flag]) => {
    const value = flag.isBoolean === true ? '' : ` ${flag.kind ?? 'text'}`;
    const fallback = flag.default === undefined ? '' : ` (default ${flag.default})`;
    return [`  --${name}${value}`, `      ${flag.doc}${fallback}`];
  });
  const [head = '', usage = '', ...rest] = commandHelp(command, settings, defaults).split('\n\n');
  // The last paragraph is about --config, which these commands do not have.
  const sections = rest.slice(0, -1);
  return [head, usage, ['This command:', ...own].join('\n'), ...sections, footer].join('\n\n');
}

const footer = `The flags of the sections below the first can also be set by environment variables, as for \`run\`:
ETCD_BULKHEAD_ENDPOINTS for --endpoints. A flag overrides the environment.
`;
