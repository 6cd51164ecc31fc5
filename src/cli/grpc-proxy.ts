/**
 * `etcd-bulkhead grpc-proxy start`: a drop-in replacement for `etcd grpc-proxy start`. Flags of etcd's proxy without an
 * equivalent here are ignored with a remark, or rejected if ignoring them would weaken security or correctness. Flags as
 * in server/etcdmain/grpc_proxy.go, 3.4 to 3.7.
 */
import type { RawValue } from '../config/file.ts';
import type { Problem } from '../config/problem.ts';
import type { SettingName } from '../config/schema.ts';
import type { Command } from './command.ts';
import { configure } from './configure.ts';
import type { ParsedFlags } from './flags.ts';
import { serve } from './serve.ts';

/** How a flag of etcd's proxy that is not a setting is handled. */
interface EtcdProxyFlag {
  readonly isBoolean: boolean;
  /** `setting`: converted to a setting. `ignored`: accepted with a remark. `rejected`: a problem. */
  readonly handling: 'setting' | 'ignored' | 'rejected';
  /** The reason, for the remark or problem. */
  readonly reason: string;
  /** Values that have no effect, and are accepted without a remark or problem. */
  readonly accepted?: readonly string[];
}

const ignored = (reason: string, isBoolean = false): EtcdProxyFlag => ({
  isBoolean,
  handling: 'ignored',
  reason,
});

const rejected = (
  reason: string,
  options: Partial<Pick<EtcdProxyFlag, 'isBoolean' | 'accepted'>> = {},
): EtcdProxyFlag => ({ isBoolean: false, handling: 'rejected', reason, ...options });

const setting = (reason: string, isBoolean = false): EtcdProxyFlag => ({
  isBoolean,
  handling: 'setting',
  reason,
});

const clientPings = "client keepalive pings are limited as by etcd's own defaults";
const noDiscovery = 'DNS discovery of endpoints is not available; use --endpoints';
const staleReads = 'this experimental feature of etcd can return stale reads';

const etcdProxyFlags: Readonly<Record<string, EtcdProxyFlag>> = {
  'metrics-addr': setting('metrics are served on the admin address'),
  debug: setting('log level debug', true),
  'data-dir': ignored('the proxy does not write to disk'),
  'self-signed-cert-validity': ignored('the proxy does not generate certificates'),
  'max-send-bytes': ignored("etcd's own limit applies; see --max-request-bytes"),
  'max-recv-bytes': ignored('responses of etcd are not limited in size'),
  'enable-pprof': ignored('use the profiling tools of Node.js', true),
  'grpc-keepalive-min-time': ignored(clientPings),
  'grpc-keepalive-interval': ignored(clientPings),
  'grpc-keepalive-timeout': ignored(clientPings),
  'permit-without-stream': ignored(
    'etcd is pinged only while calls are open, because it penalizes other pings',
    true,
  ),
  'endpoints-auto-sync-interval': ignored('the configured endpoints are used as they are'),
  'resolver-ttl': ignored('it has a meaning only with --resolver-prefix'),
  'resolver-prefix': rejected('this proxy does not register itself in etcd', { accepted: [''] }),
  'discovery-srv': rejected(noDiscovery, { accepted: [''] }),
  'discovery-srv-name': rejected(noDiscovery, { accepted: [''] }),
  'insecure-discovery': rejected(noDiscovery, { isBoolean: true, accepted: ['false'] }),
  'auto-tls': rejected('the proxy does not generate certificates; use --cert-file and --key-file', {
    isBoolean: true,
    accepted: ['false'],
  }),
  'client-crl-file': rejected('revoked client certificates would be accepted', {
    accepted: [''],
  }),
  'listen-cipher-suites': rejected('the cipher suites are those of Node.js', { accepted: [''] }),
  'tls-min-version': rejected('the minimum version is TLS 1.2', { accepted: ['', 'TLS1.2'] }),
  'tls-max-version': rejected('the maximum version is TLS 1.3', { accepted: ['', 'TLS1.3'] }),
  'experimental-serializable-ordering': rejected(staleReads, {
    isBoolean: true,
    accepted: ['false'],
  }),
  'experimental-leasing-prefix': rejected(staleReads, { accepted: [''] }),
  'experimental-enable-grpc-logging': rejected(
    'it would log values; --log-level=debug logs calls without values',
    { isBoolean: true, accepted: ['false'] },
  ),
};

export const grpcProxy: Command = {
  name: 'grpc-proxy start',
  summary: 'drop-in replacement for `etcd grpc-proxy start`',
  async run(invocation) {
    const remarks: string[] = [];
    const configured = await configure(grpcProxy, invocation, {
      flags: { others: etcdProxyFlags },
      adapt: (flags) => adapt(flags, remarks),
      // As in etcd: no admin port by default.
      defaults: { 'listen-addr': '127.0.0.1:23790', 'admin-addr': '' },
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

function adapt(flags: ParsedFlags, remarks: string[]): Pick<ParsedFlags, 'settings' | 'problems'> {
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
      for (const [setting, value] of equivalents(name, text)) {
        if (!settings.has(setting)) settings.set(setting, { texts: [value], where });
      }
    }
  }
  return { settings, problems };
}

function equivalents(name: string, text: string): readonly (readonly [SettingName, string])[] {
  if (name === 'debug') return [['log-level', text === 'false' ? 'info' : 'debug']];
  const [, scheme, address = text] = /^(https?):\/\/(.*?)\/?$/.exec(text) ?? [];
  return [['admin-addr', address], ...(scheme === 'https' ? [['admin-tls', 'true'] as const] : [])];
}
