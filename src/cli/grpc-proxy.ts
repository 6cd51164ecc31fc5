/**
 * `etcd-bulkhead grpc-proxy start`: a drop-in replacement for `etcd grpc-proxy start`, with its flags (server/etcdmain/grpc_proxy.go,
 * 3.4 to 3.7) and, without a namespace, its access: the client owns the cluster as far as its credentials permit.
 */
import type { RawValue } from '../config/file.ts';
import type { Problem } from '../config/problem.ts';
import { environmentName, type SettingName } from '../config/schema.ts';
import type { Command, Invocation } from './command.ts';
import { configure } from './configure.ts';
import { convertedSettings, etcdProxyFlags } from './etcd-proxy-flags.ts';
import type { ParsedFlags } from './flags.ts';
import { serve } from './serve.ts';

const defaultAddress = '127.0.0.1:23790';

export const grpcProxy: Command = {
  name: 'grpc-proxy start',
  summary: 'drop-in replacement for `etcd grpc-proxy start`',
  async run(invocation) {
    const remarks: string[] = [];
    const configured = await configure(grpcProxy, invocation, {
      serves: true,
      flags: { others: etcdProxyFlags },
      adapt: (flags) => adapt(flags, invocation.environment, remarks),
      // As in etcd: no admin port by default.
      defaults: { 'listen-addr': defaultAddress, 'admin-addr': '' },
    });
    if (configured.config === null) return configured.exitCode;
    for (const remark of remarks) invocation.output.err(`etcd-bulkhead: ${remark}\n`);
    return serve(configured.config, {
      reload: configured,
      serving: ({ addresses }) => {
        invocation.output.err(`started gRPC proxy on ${addresses.join(', ')}\n`);
      },
    });
  },
};

function adapt(
  flags: ParsedFlags,
  environment: Invocation['environment'],
  remarks: string[],
): Pick<ParsedFlags, 'settings' | 'problems'> {
  const settings = new Map<SettingName, RawValue>(flags.settings);
  const problems: Problem[] = [...flags.problems];
  for (const [name, text] of flags.others) {
    const flag = etcdProxyFlags[name];
    if (flag === undefined || flag.accepted?.includes(text) === true) continue;
    const where = `--${name}`;
    if (flag.handling === 'rejected') {
      problems.push({ where, what: `not supported: ${flag.reason}` });
    } else if (flag.handling === 'ignored') {
      remarks.push(`${where} has no effect: ${flag.reason}`);
    } else {
      for (const [setting, value] of convertedSettings(name, text)) {
        if (!settings.has(setting)) settings.set(setting, { texts: [value], where });
      }
    }
  }
  // As in etcd, the default address is registered.
  const where = '--resolver-prefix';
  if (settings.has('resolver-prefix') && !settings.has('advertise-client-url')) {
    settings.set('advertise-client-url', { texts: [defaultAddress], where });
  }
  giveWholeCluster(settings, environment);
  useLibraryBounds(settings, remarks);
  return { settings, problems };
}

/** Where one of these is set, the proxy separates clients, or acts under a user of its own. */
const separating: readonly SettingName[] = [
  ...(['namespace', 'config', 'user', 'owner-methods', 'pass-credentials', 'read-only'] as const),
];

/**
 * Without a namespace every key of the cluster is visible, so nothing is separated, and clients of etcd's proxy expect all of its
 * methods, under their own users. MemberList names the members only with an empty --advertise-client-url, as in etcd.
 */
function giveWholeCluster(
  settings: Map<SettingName, RawValue>,
  environment: Invocation['environment'],
): void {
  const textOf = (name: SettingName): string =>
    settings.get(name)?.texts.at(-1) ?? environment[environmentName(name)] ?? '';
  if (separating.some((name) => textOf(name) !== '')) return;
  const where = 'grpc-proxy start without --namespace';
  const namesMembers = settings.get('advertise-client-url')?.texts.join('') === '';
  settings.set('owner-methods', { texts: [namesMembers ? 'all' : 'all-but-members'], where });
  settings.set('pass-credentials', { texts: ['true'], where });
}

const pingIntervalMsMin = 10_000;

/** grpc-go uses its minimum of ten seconds for shorter intervals. 0, etcd's default, would leave dead connections unnoticed. */
function useLibraryBounds(settings: Map<SettingName, RawValue>, remarks: string[]): void {
  const time = settings.get('dial-keepalive-time')?.texts.at(-1);
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(time ?? '');
  const ms = match === null ? pingIntervalMsMin : Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
  if (ms < pingIntervalMsMin && (match?.[2] !== undefined || ms === 0)) {
    settings.delete('dial-keepalive-time');
    remarks.push('--dial-keepalive-time is 10s: etcd disconnects clients that ping more often');
  }
  for (const name of ['dial-keepalive-timeout', 'max-concurrent-streams'] as const) {
    if (/^0(?:m?s)?$/.test(settings.get(name)?.texts.at(-1) ?? '')) settings.delete(name);
  }
}
