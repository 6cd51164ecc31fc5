/**
 * `etcd-bulkhead grpc-proxy start`: takes the place of `etcd grpc-proxy start`. Flags that etcd's proxy has and this one
 * has not are either accepted, and it is said what becomes of them, or refused where ignoring them would leave somebody
 * with less than they asked for. Flags as in server/etcdmain/grpc_proxy.go, 3.4 to 3.7.
 */
import type { RawValue } from '../config/file.ts';
import type { Problem } from '../config/problem.ts';
import type { SettingName } from '../config/schema.ts';
import type { Command } from './command.ts';
import { configure } from './configure.ts';
import type { ParsedFlags } from './flags.ts';
import { serve } from './serve.ts';

/** What becomes of a flag that is none of ours. */
interface ForeignFlag {
  readonly isBoolean: boolean;
  /** `setting`: it means one of ours. `ignored`: does no harm. `refused`: would. */
  readonly fate: 'setting' | 'ignored' | 'refused';
  /** Why, as said to whoever uses it. */
  readonly because: string;
  /** Values with which the flag asks for nothing. */
  readonly harmless?: readonly string[];
}

const ignored = (because: string, isBoolean = false): ForeignFlag => ({
  isBoolean,
  fate: 'ignored',
  because,
});

const refused = (
  because: string,
  options: Partial<Pick<ForeignFlag, 'isBoolean' | 'harmless'>> = {},
): ForeignFlag => ({ isBoolean: false, fate: 'refused', because, ...options });

const setting = (because: string, isBoolean = false): ForeignFlag => ({
  isBoolean,
  fate: 'setting',
  because,
});

const lenientPings = "pings of clients are limited as etcd's own default limits them";
const noDiscovery = 'endpoints are not looked up in DNS; name them with --endpoints';
const experiment = 'this experiment of etcd answers reads from what may be out of date';

const foreignFlags: Readonly<Record<string, ForeignFlag>> = {
  'metrics-addr': setting('metrics are served on the admin address'),
  debug: setting('log level debug', true),
  'data-dir': ignored('nothing is written to disk'),
  'self-signed-cert-validity': ignored('no certificates are made'),
  'max-send-bytes': ignored("etcd's own limit applies; see --max-request-bytes"),
  'max-recv-bytes': ignored('answers of etcd are passed on whatever their size'),
  'enable-pprof': ignored('profiles are taken with the tools of Node.js', true),
  'grpc-keepalive-min-time': ignored(lenientPings),
  'grpc-keepalive-interval': ignored(lenientPings),
  'grpc-keepalive-timeout': ignored(lenientPings),
  'permit-without-stream': ignored('etcd is only pinged while calls are open, as it wants', true),
  'endpoints-auto-sync-interval': ignored('endpoints stay as they are configured'),
  'resolver-ttl': ignored('it only matters with --resolver-prefix'),
  'resolver-prefix': refused('this proxy does not register itself in etcd', { harmless: [''] }),
  'discovery-srv': refused(noDiscovery, { harmless: [''] }),
  'discovery-srv-name': refused(noDiscovery, { harmless: [''] }),
  'insecure-discovery': refused(noDiscovery, { isBoolean: true, harmless: ['false'] }),
  'auto-tls': refused('no certificates are made; name some with --cert-file and --key-file', {
    isBoolean: true,
    harmless: ['false'],
  }),
  'client-crl-file': refused('revoked certificates would be accepted', { harmless: [''] }),
  'listen-cipher-suites': refused('the cipher suites are those of Node.js', { harmless: [''] }),
  'tls-min-version': refused('the least is TLS 1.2', { harmless: ['', 'TLS1.2'] }),
  'tls-max-version': refused('the highest is TLS 1.3', { harmless: ['', 'TLS1.3'] }),
  'experimental-serializable-ordering': refused(experiment, {
    isBoolean: true,
    harmless: ['false'],
  }),
  'experimental-leasing-prefix': refused(experiment, { harmless: [''] }),
  'experimental-enable-grpc-logging': refused(
    'it would log values; --log-level=debug logs calls without them',
    { isBoolean: true, harmless: ['false'] },
  ),
};

export const grpcProxy: Command = {
  name: 'grpc-proxy start',
  summary: 'in place of `etcd grpc-proxy start`: the same flags',
  async run(invocation) {
    const remarks: string[] = [];
    const configured = await configure(grpcProxy, invocation, {
      flags: { others: foreignFlags },
      adapt: (flags) => adapt(flags, remarks),
      // As in etcd, which opens no further port unless it is asked to.
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
    const flag = foreignFlags[name];
    if (flag === undefined || flag.harmless?.includes(text) === true) continue;
    const where = `--${name}`;
    if (flag.fate === 'refused')
      problems.push({ where, what: `is not supported: ${flag.because}` });
    else if (flag.fate === 'ignored') remarks.push(`${where} has no effect: ${flag.because}`);
    else {
      const { setting, value } = equivalent(name, text);
      if (!settings.has(setting)) settings.set(setting, { texts: [value], where });
    }
  }
  return { settings, problems };
}

function equivalent(name: string, text: string): { setting: SettingName; value: string } {
  if (name === 'debug') {
    return { setting: 'log-level', value: text === 'false' ? 'info' : 'debug' };
  }
  return { setting: 'admin-addr', value: text.replace(/^http:\/\//, '').replace(/\/$/, '') };
}
