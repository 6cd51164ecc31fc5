/**
 * Loads a Config from all sources. A flag overrides the environment, which overrides the file, which overrides the
 * default. All problems are collected before they are returned. Reads only files that the configuration names, and binds
 * no ports. All files are read first; everything else is a function of their contents.
 */
import { type ParsedAddress, parseAddress } from './address.ts';
import type { Config, EffectiveSetting } from './config.ts';
import { effectiveSettings } from './effective.ts';
import { type ConfigFile, type FileText, listenerFileKeys, type RawValue } from './file.ts';
import { FileContents, type FileDigests } from './file-contents.ts';
import { parseInWorker } from './parse-in-worker.ts';
import { type Problem, suggestion } from './problem.ts';
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
import type { selfSigned } from './self-signed.ts';
import type { Kind } from './setting.ts';
import { type RawSettings, settingReporter } from './setting-reporter.ts';
import { InvalidValue, readValue } from './values.ts';
import { withEndpoints } from './with-endpoints.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything a configuration is built from. */
export interface ConfigSources {
  readonly flags: ReadonlyMap<SettingName, RawValue>;
  readonly environment: Environment;
  /** Replaces the file that --config names. */
  readonly file?: FileText;
  /** Defaults of the command that differ from the schema. */
  readonly defaults?: Partial<Record<SettingName, string>>;
  /** Makes the files of --auto-tls. Without it, files that do not exist are not missed, as for a check of the configuration. */
  readonly selfSigned?: typeof selfSigned;
  /**
   * Finds endpoints that replace the configured ones; null for the configured ones. Called only for a configuration without problems.
   * Never rejects.
   */
  readonly endpoints?: (settings: Settings) => Promise<readonly string[] | null>;
  /** Checks the tenants against each other. Injected, because config/ must not import tenant/. */
  readonly checkTenants: (tenants: readonly TenantConfig[]) => readonly Problem[];
}

/** A configuration or its problems, and in both cases every file that it depends on, as it was read. */
export type LoadResult = { readonly files: FileDigests } & (
  | { readonly config: Config; readonly settings: Settings; readonly problems: readonly [] }
  | { readonly config: null; readonly settings: null; readonly problems: readonly Problem[] }
);

/** Never rejects. */
export async function loadConfig(sources: ConfigSources): Promise<LoadResult> {
  const problems: Problem[] = [];
  const outsideFile = new Map<SettingName, RawValue>([
    ...readEnvironment(sources.environment, problems),
    ...sources.flags,
  ]);
  const configContents = await FileContents.read(outsideFile.get('config')?.texts ?? []);
  const file = await configFileOf(sources, outsideFile.get('config'), configContents);
  if (file !== null && 'what' in file) {
    // Further problems would be due to defaults in place of the settings of the file.
    problems.push(file);
    return { config: null, settings: null, problems, files: configContents.digests };
  }
  problems.push(...(file?.problems ?? []));
  const explicit = new Map<SettingName, RawValue>([...(file?.settings ?? []), ...outsideFile]);
  const raw: RawSettings = { explicit, file };

  const read = readSettings(raw, sources.defaults ?? {}, problems);
  const { effective, invalid } = read;
  const configured = withoutDefaultEndpoints(read.settings, raw);
  const settings = await withSelfSigned(configured, raw, sources, problems);
  const contents = await FileContents.read(filesOf(settings, file), configContents);
  const files = contents.digests;
  const resolved = resolve({ settings, explicit, file, invalid, contents }, problems);
  problems.push(...withLines(sources.checkTenants(resolved.tenants), raw));
  if (problems.length > 0) return { config: null, settings: null, problems, files };
  const config = { ...resolved, effective: effectiveSettings(effective, file, resolved) };
  const found = (await sources.endpoints?.(settings)) ?? null;
  return { config: withEndpoints(config, found), settings, problems: [], files };
}

/** Returns null without a configuration file, and a problem if it cannot be read or parsed. */
async function configFileOf(
  { file: given }: ConfigSources,
  named: RawValue | undefined,
  contents: FileContents,
): Promise<ConfigFile | Problem | null> {
  const path = named?.texts.at(-1) ?? '';
  if (given === undefined && path === '') return null;
  const read = given?.text ?? contents.get(path);
  if (read instanceof Error) return { where: named?.where ?? '', what: read.message };
  const text = given ?? { name: path, text: read.toString() };
  const parsed = await parseInWorker(text);
  if (!(parsed instanceof Error)) return parsed;
  return { where: text.name, what: `cannot be parsed: ${parsed.message}` };
}

/** With --discovery-srv the default of --endpoints is not used, also without a response of DNS. */
function withoutDefaultEndpoints(settings: Settings, { explicit }: RawSettings): Settings {
  const isDiscovered = settings['discovery-srv'] !== '' && !explicit.has('endpoints');
  return isDiscovered ? { ...settings, endpoints: [] } : settings;
}

/** With the files of --auto-tls, if clients get TLS by nothing else. */
async function withSelfSigned(
  settings: Settings,
  raw: RawSettings,
  sources: ConfigSources,
  problems: Problem[],
): Promise<Settings> {
  const files = [settings['cert-file'], settings['key-file'], settings['trusted-ca-file']];
  if (!settings['auto-tls'] || files.some((file) => file !== '')) return settings;
  const report = settingReporter(raw, problems);
  const years = settings['self-signed-cert-validity'];
  if (years === 0) report('self-signed-cert-validity', 'must be greater than 0');
  if (sources.selfSigned === undefined || problems.length > 0) return settings;
  const addresses = raw.file?.listeners?.flatMap(
    ({ fields }) => parseAddress(fields.get('address')?.texts.at(-1) ?? '') ?? [],
  );
  const hosts = (addresses ?? settings['listen-addr']).flatMap(({ address }) =>
    'host' in address ? address.host : [],
  );
  try {
    const made = await sources.selfSigned({ directory: settings['data-dir'], hosts, years });
    return { ...settings, 'cert-file': made.certFile, 'key-file': made.keyFile };
  } catch (error) {
    report('auto-tls', `cannot make a certificate: ${(error as Error).message}`);
    return settings;
  }
}

/** Replaces the origin of problems with tenants by the line of the tenant in the file. */
function withLines(
  problems: readonly Problem[],
  { explicit, file }: RawSettings,
): readonly Problem[] {
  if (file?.tenants == null) {
    // The only tenant was configured by its namespace, not by a name.
    const where = explicit.get('namespace')?.where ?? '--namespace';
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
    for (const key of listenerFileKeys) {
      paths.push(fields.get(key)?.texts.at(-1) ?? '');
    }
  }
  return paths;
}

/** Variables that Kubernetes sets for the addresses of a Service called etcd-bulkhead. They are not settings. */
const fromKubernetes =
  /^ETCD_BULKHEAD_(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

function readEnvironment(
  environment: Environment,
  problems: Problem[],
): Map<SettingName, RawValue> {
  const names = new Map(settingNames.map((name) => [environmentName(name), name]));
  const values = new Map<SettingName, RawValue>();
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith(environmentPrefix)) continue;
    const name = names.get(variable);
    if (name !== undefined) values.set(name, { texts: [text], where: variable });
    else if (!fromKubernetes.test(variable)) {
      const what = `unknown environment variable${suggestion(variable, [...names.keys()])}`;
      problems.push({ where: variable, what });
    }
  }
  return values;
}

function readSettings(
  raw: RawSettings,
  defaults: Partial<Record<SettingName, string>>,
  problems: Problem[],
): {
  readonly settings: Settings;
  readonly effective: readonly EffectiveSetting[];
  readonly invalid: ReadonlySet<SettingName>;
} {
  const report = settingReporter(raw, problems);
  const values: Record<string, unknown> = {};
  const effective: EffectiveSetting[] = [];
  const invalid = new Set<SettingName>();
  for (const name of settingNames) {
    const setting = settingOf(name);
    const fallback = [defaults[name] ?? setting.default];
    const given: RawValue = raw.explicit.get(name) ?? { texts: fallback, where: 'default' };
    const { texts, where } = given;
    let value = readValue(setting.kind, texts, setting, given.isList);
    if (value instanceof InvalidValue) {
      report(name, value.reason);
      invalid.add(name);
      // Continue with the default, so that the checks of all other settings still run.
      value = readValue(setting.kind, fallback, setting);
    }
    values[name] = value;
    effective.push({
      name,
      value: fileValue(setting.kind, value, texts.at(-1) ?? ''),
      origin: where,
    });
  }
  // Safe: the loop has set every name of the schema to a value of its kind.
  return { settings: values as Settings, effective, invalid };
}

/** The value in the format of the file: equal values are equal there, except durations and sizes in different units. */
function fileValue(kind: Kind, value: Settings[SettingName] | InvalidValue, text: string): unknown {
  if (kind === 'boolean' || kind === 'integer' || kind === 'choice') return value;
  if (!Array.isArray(value)) return text;
  return value.map((each: string | ParsedAddress) => (typeof each === 'string' ? each : each.text));
}
