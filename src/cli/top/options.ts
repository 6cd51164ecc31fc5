/** The flags of `top`. */
import { formatProblem } from '../../config/problem.ts';
import { environmentName, schema } from '../../config/schema.ts';
import type { Setting } from '../../config/setting.ts';
import { InvalidValue, readValue } from '../../config/values.ts';
import type { SocketAddress } from '../../grpc/transport.ts';
import { reachable } from '../admin-client.ts';
import type { Invocation } from '../command.ts';
import { parseFlags } from '../flags.ts';
import { type SortKey, sortKeys } from './sorting.ts';

export interface TopOptions {
  readonly address: SocketAddress;
  /** As it was configured. */
  readonly addressText: string;
  readonly intervalMs: number;
  readonly sort: SortKey;
  readonly isOnce: boolean;
  readonly isJson: boolean;
}

const others = {
  once: { isBoolean: true },
  json: { isBoolean: true },
  interval: { isBoolean: false },
  sort: { isBoolean: false },
};

const interval: Setting = {
  kind: 'duration',
  default: '2s',
  min: 200,
  max: 3_600_000,
  section: 'operation',
  reload: 'restart',
  doc: '',
};

export const topHelp = `etcd-bulkhead top: show tenants, busy keys and findings of a running proxy

Usage: etcd-bulkhead top [flags]

  --admin-addr address   Address of the proxy, also unix:///path (default ${schema['admin-addr'].default})
  --interval duration    Between two readings, from which rates are computed (default ${interval.default})
  --sort ${sortKeys.join('|')}
                         Order of the tenants (default ${sortKeys[0]})
  --once                 Print one reading and exit
  --json                 Print it as JSON; only with --once

Keys: q quits, s changes the order, r reverses it.
`;

/** Returns `help`, or a list of problems, if the command cannot run. */
export function readTopOptions({
  args,
  environment,
}: Pick<Invocation, 'args' | 'environment'>): TopOptions | readonly string[] | 'help' {
  const flags = parseFlags(args, { settings: ['admin-addr'], others });
  if (flags.wantsHelp) return 'help';
  const problems = flags.problems.map(formatProblem);
  const configured =
    flags.settings.get('admin-addr')?.texts.at(-1) ??
    environment[environmentName('admin-addr')] ??
    schema['admin-addr'].default;
  const addressText = configured.replace(/^http:\/\//, '').replace(/\/$/, '');
  const address = readValue('address', [addressText], schema['admin-addr']);
  if (address instanceof InvalidValue) problems.push(`--admin-addr ${address.reason}`);
  else if (address === null) problems.push('--admin-addr must not be empty');
  const intervalMs = readValue(
    'duration',
    [flags.others.get('interval') ?? interval.default],
    interval,
  );
  if (intervalMs instanceof InvalidValue) problems.push(`--interval ${intervalMs.reason}`);
  const sortText = flags.others.get('sort') ?? sortKeys[0];
  const sort = sortKeys.find((each) => each === sortText);
  if (sort === undefined) problems.push(`--sort must be one of ${sortKeys.join(', ')}`);
  const isOnce = flags.others.get('once') === 'true';
  const isJson = flags.others.get('json') === 'true';
  if (isJson && !isOnce) problems.push('--json requires --once');
  if (
    problems.length > 0 ||
    address === null ||
    address instanceof InvalidValue ||
    intervalMs instanceof InvalidValue ||
    sort === undefined
  ) {
    return problems;
  }
  return { address: reachable(address.address), addressText, intervalMs, sort, isOnce, isJson };
}
