/**
 * HTTP requests to the admin address of a running proxy, for the commands `wait` and `shutdown`. It finds the address as the
 * proxy does, from the flag, the environment or the default. It reads no configuration file.
 */
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { environmentName, type Settings, settingOf } from '../config/schema.ts';
import type { Setting } from '../config/setting.ts';
import { InvalidValue, readValue } from '../config/values.ts';
import type { SocketAddress } from '../grpc/transport.ts';
import { systemClock } from '../runtime/clock.ts';
import { type Command, ExitCode, type Invocation } from './command.ts';
import { parseFlags } from './flags.ts';
import { wrapped } from './help.ts';

/** A request to a process on the same machine. A process that does not respond within this time is asked again. */
const responseTimeoutMs = 2_000;
/** The pages that these commands read are smaller. */
const bodyBytesMax = 4 << 20;
/** How often a condition is checked. */
const pollIntervalMs = 100;

export interface AdminResponse {
  readonly code: number;
  readonly body: string;
}

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
  return { ...address, host: reachable[address.host] ?? address.host };
}

/** Where to connect to a proxy that listens on all interfaces. */
const reachable: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': 'localhost' };

/** Resolves with an error if no response arrives. Never rejects. */
export function ask(
  address: SocketAddress,
  method: 'GET' | 'POST',
  path: string,
): Promise<AdminResponse | Error> {
  const { promise, resolve } = Promise.withResolvers<AdminResponse | Error>();
  const target = 'path' in address ? { socketPath: address.path } : address;
  const request = httpRequest({
    ...target,
    ...{ method, path, agent: false },
    // The server accepts only loopback names on a loopback address.
    headers: { host: 'localhost', 'content-type': 'application/json' },
    signal: AbortSignal.timeout(responseTimeoutMs),
  });
  request.on('error', resolve);
  request.on('response', (response) => {
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) response.destroy(new Error('the response is too large'));
    });
    text(response).then((body) => resolve({ code: response.statusCode ?? 0, body }), resolve);
  });
  request.end();
  return promise;
}

/** Whether nothing listens at the address. */
export function isRefused(response: AdminResponse | Error): boolean {
  const code = response instanceof Error ? (response as NodeJS.ErrnoException).code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

/** One line that describes a response, for an error message. */
export function described(response: AdminResponse | Error): string {
  if (!(response instanceof Error)) return `${response.code} ${response.body.trim()}`;
  if (response.name === 'TimeoutError') return 'no response';
  return response.message === ''
    ? String((response as NodeJS.ErrnoException).code)
    : response.message;
}

/**
 * Calls `check` until it returns null, at most for `timeoutMs`. Returns null then, and otherwise its last result. Checks
 * once without a timeout.
 */
export async function poll(
  check: () => Promise<string | null>,
  timeoutMs: number,
): Promise<string | null> {
  const endMs = systemClock.nowMs() + timeoutMs;
  for (;;) {
    const missing = await check();
    const remainingMs = endMs - systemClock.nowMs();
    if (missing === null || remainingMs <= 0) return missing;
    const { promise, resolve } = Promise.withResolvers<void>();
    systemClock.after(Math.min(pollIntervalMs, remainingMs), resolve);
    await promise;
  }
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
