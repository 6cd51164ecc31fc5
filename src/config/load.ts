/**
 * The one way to a Config: flag beats environment beats file beats default, and every mistake in any of them is found
 * before the first is reported. Reads the files that the configuration names and nothing else; binds nothing.
 */
import type { Config, EffectiveSetting } from './config.ts';
import { withLists } from './effective.ts';
import { type ConfigFile, type FileText, type RawValue, readConfigFile } from './file.ts';
import { type Problem, suggestion } from './problem.ts';
import { type ProblemReporter, readFile } from './read-file.ts';
import { resolve } from './resolve.ts';
import {
  environmentName,
  environmentPrefix,
  type SettingName,
  type Settings,
  settingNames,
  settingOf,
} from './schema.ts';
import type { TenantConfig } from './sections/tenants.ts';
import { InvalidValue, readValue } from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where settings come from, strongest first. */
export interface ConfigSources {
  readonly flags: ReadonlyMap<SettingName, RawValue>;
  readonly environment: Environment;
  /** Stands in for the file that --config names: the text of commands that bring their own, or what was read already. */
  readonly file?: FileText | ConfigFile;
  /** Defaults that a command has of its own. */
  readonly defaults?: Partial<Record<SettingName, string>>;
  /** What is wrong with the tenants taken together. Handed in, since config/ does not know tenant/. */
  readonly checkTenants: (tenants: readonly TenantConfig[]) => readonly Problem[];
}

/** Either a configuration or what is wrong with it, never both; and every file that it depends on, readable or not. */
export type LoadResult = { readonly files: readonly string[] } & (
  | { readonly config: Config; readonly settings: Settings; readonly problems: readonly [] }
  | { readonly config: null; readonly settings: null; readonly problems: readonly Problem[] }
);

export function loadConfig(sources: ConfigSources): LoadResult {
  const problems: Problem[] = [];
  const outside = new Map<SettingName, RawValue>([
    ...readEnvironment(sources.environment, problems),
    ...sources.flags,
  ]);
  const file = readFileOf(sources, outside, problems);
  const given = new Map<SettingName, RawValue>([...(file?.settings ?? []), ...outside]);

  const { settings, effective, invalid } = readSettings(given, sources.defaults ?? {}, problems);
  const resolved = resolve({ settings, given, file, invalid }, problems);
  problems.push(...placed(sources.checkTenants(resolved.tenants), given, file));
  const files = filesOf(settings, file);
  if (problems.length > 0) return { config: null, settings: null, problems, files };
  const config = { ...resolved, effective: withLists(effective, file, resolved) };
  return { config, settings, problems: [], files };
}

/** What tenant/ found, at the places where it was said. */
function placed(
  problems: readonly Problem[],
  given: ReadonlyMap<SettingName, RawValue>,
  file: ConfigFile | null,
): readonly Problem[] {
  if (file?.tenants == null) {
    // A single tenant was never named by whoever configured it: its namespace was.
    const where = given.get('namespace')?.where ?? '--namespace';
    return problems.map(({ what }) => ({ where, what }));
  }
  const lines = new Map(
    file.tenants.map((entry) => [entry.fields.get('name')?.texts.at(-1), entry.where]),
  );
  return problems.map((problem) => {
    const { tenant, what } = problem;
    const line = tenant === undefined ? undefined : lines.get(tenant);
    return line === undefined ? problem : { where: line, what: `tenant "${tenant}": ${what}` };
  });
}

function filesOf(settings: Settings, file: ConfigFile | null): readonly string[] {
  const paths = settingNames
    .filter((name) => settingOf(name).kind === 'file')
    .map((name) => String(settings[name]));
  for (const { fields } of file?.listeners ?? []) {
    for (const key of ['cert-file', 'key-file', 'trusted-ca-file']) {
      paths.push(fields.get(key)?.texts.at(-1) ?? '');
    }
  }
  return [...new Set(paths)].filter((path) => path !== '');
}

/** Kubernetes puts the addresses of Services into the environment; one called like this program would look like ours. */
const fromKubernetes =
  /^ETCD_BULKHEAD_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

function readEnvironment(
  environment: Environment,
  problems: Problem[],
): Map<SettingName, RawValue> {
  const names = new Map(settingNames.map((name) => [environmentName(name), name]));
  const given = new Map<SettingName, RawValue>();
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(environmentPrefix)) continue;
    const name = names.get(variable);
    if (name !== undefined) given.set(name, { texts: [text], where: variable });
    else if (!fromKubernetes.test(variable)) {
      const what = `unknown environment variable${suggestion(variable, [...names.keys()])}`;
      problems.push({ where: variable, what });
    }
  }
  return given;
}

/** The text that --config names; null where it names none, or where that cannot be read. */
export function fileTextOf({ flags, environment }: ConfigSources): FileText | null {
  const path = flags.get('config')?.texts.at(-1) ?? environment[environmentName('config')] ?? '';
  const bytes = readFile('config', path, () => {});
  return bytes === null ? null : { name: path, text: bytes.toString('utf8') };
}

function readFileOf(
  { file: source }: ConfigSources,
  outside: ReadonlyMap<SettingName, RawValue>,
  problems: Problem[],
): ConfigFile | null {
  let file: ConfigFile | null = null;
  const named = outside.get('config');
  if (source === undefined) {
    const path = named?.texts.at(-1) ?? '';
    const report: ProblemReporter = (setting, what) =>
      problems.push({ where: named?.where ?? `--${setting}`, what });
    const bytes = readFile('config', path, report);
    if (bytes !== null) file = readConfigFile({ name: path, text: bytes.toString('utf8') });
  } else {
    file = 'text' in source ? readConfigFile(source) : source;
  }
  problems.push(...(file?.problems ?? []));
  return file;
}

function readSettings(
  given: ReadonlyMap<SettingName, RawValue>,
  defaults: Partial<Record<SettingName, string>>,
  problems: Problem[],
): {
  readonly settings: Settings;
  readonly effective: readonly EffectiveSetting[];
  readonly invalid: ReadonlySet<SettingName>;
} {
  const values: Record<string, unknown> = {};
  const effective: EffectiveSetting[] = [];
  const invalid = new Set<SettingName>();
  for (const name of settingNames) {
    const setting = settingOf(name);
    const fallback = [defaults[name] ?? setting.default];
    const { texts, where } = given.get(name) ?? { texts: fallback, where: 'default' };
    let value = readValue(setting.kind, texts, setting);
    if (value instanceof InvalidValue) {
      problems.push({ where, what: `${JSON.stringify(texts.join(','))} is ${value.reason}` });
      invalid.add(name);
      // Go on with the default, so that the checks of all other settings still run.
      value = readValue(setting.kind, fallback, setting);
    }
    values[name] = value;
    effective.push({ name, value: spell(setting.kind, texts), origin: where });
  }
  // The loop has given every name of the schema a value of its kind; only the compiler cannot see it.
  return { settings: values as Settings, effective, invalid };
}

/** The value in the form in which a file would hold it. */
function spell(kind: string, texts: readonly string[]): unknown {
  const text = texts.at(-1) ?? '';
  if (kind === 'boolean') return text === 'true' || text === '1';
  if (kind === 'integer') return Number(text);
  if (kind === 'list' || kind === 'addresses' || kind === 'endpoints') {
    return texts.flatMap((each) => each.split(',')).filter((each) => each !== '');
  }
  return text;
}
