/**
 * `etcd-bulkhead grpc-proxy start`: a drop-in replacement for `etcd grpc-proxy start`, with its flags (server/etcdmain/grpc_proxy.go,
 * 3.4 to 3.7) and, without a namespace, its access: the client owns the cluster as far as its credentials permit.
 */
import type { RawValue } from '../config/file.ts';
import type { Problem } from '../config/problem.ts';
import { environmentName, type SettingName, settingOf } from '../config/schema.ts';
import type { Command, Invocation } from './command.ts';
import { type AdaptedFlags, type ConfigureResult, configure } from './configure.ts';
import { convertedSettings, etcdProxyFlags } from './etcd-proxy-flags.ts';
import type { ParsedFlags } from './flags.ts';

const defaultAddress = '127.0.0.1:23790';

export const grpcProxy: Command = {
  name: 'grpc-proxy start',
  summary: 'drop-in replacement for `etcd grpc-proxy start`',
  async run(invocation) {
    const remarks: string[] = [];
    const configured = await configureGrpcProxy(invocation, remarks);
    if (configured.config === null) return configured.exitCode;
    for (const remark of remarks) invocation.output.err(`etcd-bulkhead: ${remark}\n`);
    const { serve } = await import('./serve.ts');
    return serve(configured.config, {
      reload: configured,
      serving: ({ addresses }) => {
        invocation.output.err(`started gRPC proxy on ${addresses.join(', ')}\n`);
      },
    });
  },
};

/** `remarks` are added about flags that have no effect. */
export function configureGrpcProxy(
  invocation: Invocation,
  remarks: string[],
): Promise<ConfigureResult> {
  return configure(grpcProxy, invocation, {
    serves: true,
    flags: { others: etcdProxyFlags },
    adapt: (flags) => adapt(flags, invocation.environment, remarks),
    // As in etcd: no admin port by default.
    defaults: { 'listen-addr': defaultAddress, 'admin-addr': '' },
  });
}

function adapt(
  flags: ParsedFlags,
  environment: Invocation['environment'],
  remarks: string[],
): AdaptedFlags {
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
  const textOf: TextOf = (name) =>
    settings.get(name)?.texts.at(-1) ?? environment[environmentName(name)];
  giveWholeCluster(settings, textOf);
  useLibraryBounds(settings, textOf, remarks);
  // As in etcd, the default address is registered.
  const registers = (textOf('resolver-prefix') ?? '') !== '';
  const defaults = registers ? { 'advertise-client-url': defaultAddress } : {};
  return { settings, problems, defaults };
}

/** The text of a setting in the flags, or else in the environment. Undefined: in neither. The file is not read yet. */
type TextOf = (name: SettingName) => string | undefined;

/** Where one of these is set, the proxy separates clients, or acts under a user of its own. */
const separating: readonly SettingName[] = [
  ...(['namespace', 'config', 'user', 'owner-methods', 'pass-credentials', 'read-only'] as const),
];

/**
 * Without a namespace every key of the cluster is visible, so nothing is separated, and clients of etcd's proxy expect all of its
 * methods, under their own users. MemberList names the members only with an empty --advertise-client-url, as in etcd.
 */
function giveWholeCluster(settings: Map<SettingName, RawValue>, textOf: TextOf): void {
  if (separating.some((name) => (textOf(name) ?? '') !== '')) return;
  const where = 'grpc-proxy start without --namespace';
  const addresses = settings.get('advertise-client-url')?.texts.join('');
  const namesMembers = (addresses ?? textOf('advertise-client-url')) === '';
  settings.set('owner-methods', { texts: [namesMembers ? 'all' : 'all-but-members'], where });
  settings.set('pass-credentials', { texts: ['true'], where });
}

const pingIntervalMsMin = 10_000;

/** grpc-go uses its minimum of ten seconds for shorter intervals. 0, etcd's default, would leave dead connections unnoticed. */
function useLibraryBounds(
  settings: Map<SettingName, RawValue>,
  textOf: TextOf,
  remarks: string[],
): void {
  const useDefault = (name: SettingName) =>
    settings.set(name, { texts: [settingOf(name).default], where: `--${name}` });
  const time = textOf('dial-keepalive-time');
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(time ?? '');
  const ms = match === null ? pingIntervalMsMin : Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
  if (ms < pingIntervalMsMin && (match?.[2] !== undefined || ms === 0)) {
    useDefault('dial-keepalive-time');
    remarks.push('--dial-keepalive-time is 10s: etcd disconnects clients that ping more often');
  }
  for (const name of ['dial-keepalive-timeout', 'max-concurrent-streams'] as const) {
    if (/^0(?:m?s)?$/.test(textOf(name) ?? '')) useDefault(name);
  }
}
