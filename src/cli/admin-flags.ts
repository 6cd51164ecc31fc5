/**
 * The flags of the commands `wait` and `shutdown`: those of their own, and the admin address. They find the address as the proxy
 * does, from the flag, the environment or the default. They read no configuration file.
 */
import { environmentName, type Settings, settingOf } from '../config/schema.ts';
import type { Setting } from '../config/setting.ts';
import { InvalidValue, readValue } from '../config/values.ts';
import type { SocketAddress } from '../grpc/transport.ts';
import { type AdminLimits, reachable } from './admin-client.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { parseFlags } from './flags.ts';
import { wrapped } from './help.ts';

/** A process on the same machine that does not respond in time is asked again. The pages that these commands read are small. */
export const probeLimits: AdminLimits = { timeoutMs: 2_000, bodyBytesMax: 4 << 20 };

/** A flag of a command that is not a setting of the proxy. */
export type OwnFlag = Pick<Setting, 'kind' | 'default' | 'doc' | 'choices'> & {
  readonly kind: 'duration' | 'choice';
};

export interface Parsed<Name extends string> {
  readonly address: SocketAddress;
  readonly values: { readonly [name in Name]: string | number };
}

/** Returns the parsed flags, or the exit code after help or problems were printed. */
export function parseAdminFlags<Name extends string>(
  command: Pick<Command, 'name' | 'summary'>,
  { args, environment, output }: Invocation,
  flags: { readonly [name in Name]: OwnFlag },
): Parsed<Name> | number {
  const others = Object.fromEntries(Object.keys(flags).map((name) => [name, { isBoolean: false }]));
  const parsed = parseFlags(args, { settings: ['admin-addr'], others });
  if (parsed.wantsHelp) {
    output.out(help(command, flags));
    return ExitCode.OK;
  }
  const problems = parsed.problems.map(({ where, what }) => `${where}: ${what}`);
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries<OwnFlag>(flags)) {
    const given = parsed.others.get(name) ?? flag.default;
    const value = readValue(flag.kind, [given], asSetting(flag));
    values[name] = value;
    if (value instanceof InvalidValue) problems.push(`--${name}: ${value.reason}`);
  }
  const given = parsed.settings.get('admin-addr')?.texts.at(-1);
  const address = adminAddress(given ?? environment[environmentName('admin-addr')]);
  if (typeof address === 'string') problems.push(`--admin-addr: ${address}`);
  else if (problems.length === 0) return { address, values: values as Parsed<Name>['values'] };
  for (const problem of problems) output.err(`etcd-bulkhead ${command.name}: ${problem}\n`);
  return ExitCode.USAGE;
}

/** Returns a problem if a client cannot connect to this address. */
function adminAddress(given: string | undefined): SocketAddress | string {
  const setting = settingOf('admin-addr');
  const value = readValue(setting.kind, [given ?? setting.default], setting);
  if (value instanceof InvalidValue) return value.reason;
  // The type of the kind `address`.
  const address = (value as Settings['admin-addr'])?.address;
  if (address === undefined) return 'must not be empty';
  if ('path' in address) return address;
  if (address.port === 0) return 'must have the port that the proxy listens on, not 0';
  return reachable(address);
}

function asSetting(flag: OwnFlag): Setting {
  return { ...flag, section: 'operation', reload: 'restart' };
}

function help(
  { name, summary }: Pick<Command, 'name' | 'summary'>,
  flags: Readonly<Record<string, OwnFlag>>,
): string {
  const rows = Object.entries<OwnFlag>({ 'admin-addr': adminFlag, ...flags });
  const lines = rows.flatMap(([flag, { kind, choices, doc, default: fallback }]) => [
    `  --${flag} ${choices?.join('|') ?? kind}`,
    ...wrapped(`${doc} (default ${fallback})`.split(' '), '      '),
  ]);
  const usage = `Usage: etcd-bulkhead ${name} [flags]`;
  return [`etcd-bulkhead ${name}: ${summary}`, '', usage, '', ...lines, ''].join('\n');
}

const adminFlag = {
  kind: 'choice',
  choices: ['address'],
  default: settingOf('admin-addr').default,
  doc: `The --admin-addr of the running proxy, host:port or unix:///path. Also ${environmentName('admin-addr')}.`,
} as const satisfies OwnFlag;
