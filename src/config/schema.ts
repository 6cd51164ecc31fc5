/**
 * The table of settings, one row each. Flags, environment variables, keys of the file, --help, docs/config.md and types
 * are derived from it. Checks that involve several settings are in resolve.ts and sections/.
 *
 * A secret is always configured as the name of a file, so that a configuration can be printed without redaction.
 */
import { etcdTimeoutMs } from '../etcd/outcomes.ts';
import { limitSettings } from './limit-settings.ts';
import type { Setting, ValueOf } from './setting.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const transports = ['native', 'grpc-js'] as const;
export type TransportName = (typeof transports)[number];

const uint32Max = 4_294_967_295;
const minuteMs = 60_000;

export const schema = {
  config: {
    kind: 'file',
    default: '',
    section: 'operation',
    reload: 'applied',
    doc: 'Configuration file (YAML or JSON). Required to configure more than one tenant.',
    dev: 'fixed',
    notInFile: true,
  },
  endpoints: {
    kind: 'endpoints',
    default: '127.0.0.1:2379',
    section: 'etcd',
    reload: 'applied',
    doc: 'Comma-separated list of etcd endpoints: host:port, http://host:port, https://host:port or unix:///path.',
    dev: 'fixed',
  },
  cacert: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'CA certificates (PEM) to verify etcd server certificates with. Enables TLS to endpoints without a scheme; http:// endpoints never use TLS.',
    dev: 'fixed',
  },
  cert: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'Client certificate (PEM) to present to etcd. Its common name must be empty unless --allow-common-name is set.',
    dev: 'fixed',
  },
  key: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'Private key (PEM) of --cert.',
    dev: 'fixed',
  },
  'allow-common-name': {
    kind: 'boolean',
    default: 'false',
    section: 'etcd',
    reload: 'applied',
    doc: 'Allow --cert to have a common name. etcd takes it as the user of every request without a token.',
    dev: 'fixed',
  },
  user: {
    kind: 'text',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'etcd user the proxy authenticates as. Requires --password-file.',
    dev: 'fixed',
  },
  'password-file': {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'File with the password of --user in its first line.',
    dev: 'fixed',
  },
  'insecure-skip-tls-verify': {
    kind: 'boolean',
    default: 'false',
    section: 'etcd',
    reload: 'applied',
    doc: 'Use TLS to etcd without verifying server certificates. For tests only.',
    dev: 'fixed',
  },
  'server-name': {
    kind: 'text',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'Name to verify etcd server certificates against, if it differs from the endpoint address.',
    dev: 'fixed',
  },
  'dial-keepalive-time': {
    kind: 'duration',
    default: '10s',
    min: 10_000,
    section: 'etcd',
    reload: 'restart',
    doc: 'Interval between keepalive pings to etcd while calls are open. At least 10s.',
  },
  'dial-keepalive-timeout': {
    kind: 'duration',
    default: '5s',
    min: 100,
    section: 'etcd',
    reload: 'restart',
    doc: 'Time to wait for the response to a keepalive ping before the connection is closed.',
  },
  'listen-addr': {
    kind: 'addresses',
    default: '127.0.0.1:2379,[::1]:2379',
    section: 'clients',
    reload: 'applied',
    doc: 'Comma-separated list of addresses to accept clients on: host:port or unix:///path. Port 0 picks a free port.',
    dev: 'fixed',
  },
  'cert-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'Server certificate (PEM) to present to clients. Enables TLS for clients.',
    dev: 'fixed',
  },
  'key-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'Private key (PEM) of --cert-file.',
    dev: 'fixed',
  },
  'trusted-ca-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'CA certificates (PEM) to verify client certificates with. Clients must then present a certificate.',
    dev: 'fixed',
  },
  'client-cert-auth': {
    kind: 'boolean',
    default: 'false',
    section: 'clients',
    reload: 'applied',
    doc: 'Require client certificates. Accepted for compatibility with etcd: --trusted-ca-file alone requires them.',
    dev: 'fixed',
  },
  'uri-pattern': {
    kind: 'list',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'Patterns that map URIs in client certificates to tenant names, for example spiffe://td/sa/{tenant}.',
    dev: 'fixed',
  },
  'users-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'File with one user:hash per line, for listeners that identify clients by user. See the hash-password command.',
    dev: 'fixed',
  },
  'jwks-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'JSON Web Key Set with the public keys of bearer tokens, for listeners that identify clients by jwt.',
    dev: 'fixed',
  },
  'jwt-issuer': {
    kind: 'text',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'Required issuer (iss claim) of bearer tokens.',
    dev: 'fixed',
  },
  'jwt-audience': {
    kind: 'text',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'Required audience (aud claim) of bearer tokens.',
    dev: 'fixed',
  },
  'jwt-claim': {
    kind: 'text',
    default: 'sub',
    section: 'clients',
    reload: 'applied',
    doc: 'Claim of bearer tokens that identifies the tenant.',
    dev: 'fixed',
  },
  'jwt-algorithms': {
    kind: 'list',
    default: 'RS256,ES256,EdDSA',
    section: 'clients',
    reload: 'applied',
    doc: 'Comma-separated list of accepted signature algorithms of bearer tokens. Only asymmetric algorithms are allowed.',
    dev: 'fixed',
  },
  'max-concurrent-streams': {
    kind: 'integer',
    default: `${uint32Max}`,
    min: 1,
    max: uint32Max,
    section: 'clients',
    reload: 'restart',
    doc: 'Maximum number of concurrent calls per client connection. The default sets no limit.',
  },
  'max-connections': {
    kind: 'integer',
    default: '0',
    max: 1_000_000,
    section: 'clients',
    reload: 'restart',
    doc: 'Maximum number of client connections per process, never more than its file descriptors (nofile) permit after a reserve for etcd and the admin address. Tenants share them fairly. 0: as many as the descriptors and a quarter of the memory limit of the container permit, at most 32768.',
  },
  'max-request-bytes': {
    kind: 'bytes',
    default: '1.5MiB',
    min: 1024,
    max: 1_073_741_824,
    section: 'clients',
    reload: 'restart',
    doc: 'Maximum size of a client request. As in etcd, 512 KiB are added for message overhead.',
  },
  'message-memory': {
    kind: 'bytes',
    default: '0',
    section: 'clients',
    reload: 'restart',
    doc: 'Memory for large messages: one third for requests, two thirds for responses. 0: one third of the memory limit of the container, from 32MiB to 1GiB, or 96MiB without a limit; with several workers, in equal parts. Only the transport native uses it.',
  },
  'advertise-client-url': {
    kind: 'list',
    default: '',
    section: 'clients',
    reload: 'restart',
    doc: 'Comma-separated list of client URLs that MemberList returns for this proxy. Defaults to the listener addresses.',
    dev: 'fixed',
  },
  namespace: {
    kind: 'text',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'Prefix of all keys in etcd; must end in /. If empty, keys and leases pass through unchanged.',
    dev: 'fixed',
  },
  'allow-undelimited': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Allow a namespace that does not end in /. No other tenant or client may then use keys that begin with it.',
    dev: 'fixed',
  },
  'read-only': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Reject the writes of all tenants, as if each had access: read-only.',
    dev: 'fixed',
  },
  'share-watches': {
    kind: 'boolean',
    default: 'true',
    section: 'namespace',
    reload: 'applied',
    doc: 'Let all watches of a tenant on one range share one watch at etcd. If false, each client watch is a watch at etcd.',
  },
  'pass-unknown-fields': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'Pass request fields that this version does not know to etcd. They are not namespaced: a later etcd may read one as a key.',
  },
  'lease-secret-file': {
    kind: 'file',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'File with a secret of at least 16 bytes for the check values of stored lease IDs, beside the namespace. The same for all proxies of a cluster. After a change all existing leases are unknown to their clients.',
  },
  'share-keepalives': {
    kind: 'boolean',
    default: 'true',
    section: 'etcd',
    reload: 'applied',
    doc: 'Let the lease keepalives of all clients use a few streams to etcd. If false, each client stream is a stream at etcd.',
  },
  'share-reads': {
    kind: 'boolean',
    default: 'false',
    section: 'etcd',
    reload: 'restart',
    doc: 'Let identical serializable reads of a tenant that are in flight at the same time share one read at etcd.',
  },
  hold: {
    kind: 'duration',
    default: '5s',
    max: 10 * minuteMs,
    section: 'resilience',
    reload: 'restart',
    doc: 'Maximum time an unsent call waits for an available endpoint. 0 rejects such calls immediately.',
  },
  'max-in-flight': {
    kind: 'integer',
    default: '1000',
    section: 'resilience',
    reload: 'restart',
    min: 1,
    max: 1_000_000,
    doc: 'Maximum number of unary calls at etcd at the same time. Further calls wait for up to 5 s; tenants take turns. Locks and elections that wait are not counted.',
  },
  'max-read-bytes': {
    kind: 'bytes',
    default: '128MiB',
    section: 'resilience',
    reload: 'restart',
    min: 1 << 20,
    doc: 'Maximum size of the responses to large reads that etcd prepares at the same time, as learnt from earlier responses. Further large reads wait; tenants take turns. A read that is alone is always sent.',
  },
  ...limitSettings,
  'request-timeout': {
    kind: 'duration',
    default: '15s',
    min: 100,
    section: 'resilience',
    reload: 'restart',
    doc: `Timeout of unary calls without a client deadline. Below ${etcdTimeoutMs / 1_000}s, calls can time out during a leader election.`,
  },
  breaker: {
    kind: 'boolean',
    default: 'true',
    section: 'resilience',
    reload: 'restart',
    doc: 'Enable circuit breakers: while too many calls fail, reject calls without sending them to etcd.',
  },
  'breaker-window': {
    kind: 'duration',
    default: '10s',
    min: 1000,
    section: 'resilience',
    reload: 'restart',
    doc: 'Time window over which a breaker counts failures.',
  },
  'breaker-min-calls': {
    kind: 'integer',
    default: '20',
    min: 1,
    section: 'resilience',
    reload: 'restart',
    doc: 'Minimum number of calls within the window before a breaker can open.',
  },
  'breaker-error-percent': {
    kind: 'integer',
    default: '50',
    min: 1,
    max: 99,
    section: 'resilience',
    reload: 'restart',
    doc: 'Percentage of failed calls within the window above which a breaker opens.',
  },
  'breaker-open': {
    kind: 'duration',
    default: '1s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'Initial time a breaker stays open before it sends a probe. Doubles after each failed probe.',
  },
  'breaker-open-max': {
    kind: 'duration',
    default: '30s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'Maximum time a breaker stays open before it sends a probe.',
  },
  'min-drain': {
    kind: 'duration',
    default: '0s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Time to keep accepting new calls after SIGTERM.',
  },
  'drain-window': {
    kind: 'duration',
    default: '5s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Maximum time over which open streams are ended, at most 200 ms apart, so that clients do not all reconnect at once.',
  },
  'max-drain': {
    kind: 'duration',
    default: '25s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Maximum time to drain after SIGTERM. Calls that are still open then are aborted.',
  },
  workers: {
    kind: 'integer',
    default: '1',
    min: 1,
    max: 64,
    section: 'operation',
    reload: 'restart',
    doc: 'Number of processes that serve clients on the same addresses. Each has its own connections and watches at etcd.',
    dev: 'fixed',
  },
  'admin-addr': {
    kind: 'address',
    default: '127.0.0.1:2381',
    section: 'operation',
    reload: 'restart',
    doc: 'Address that serves probes, metrics and state over HTTP. Port 0 picks a free port; empty disables it.',
  },
  'admin-actions': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Let the admin address open and close breakers and eject endpoints, with POST.',
  },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: logLevels,
    section: 'operation',
    reload: 'restart',
    doc: 'Minimum level of log messages. info logs lifecycle events, debug also logs every call.',
  },
  'log-keys': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'Include keys in log messages. Values are never logged.',
  },
  transport: {
    kind: 'choice',
    default: 'native',
    choices: transports,
    section: 'operation',
    reload: 'restart',
    doc: 'HTTP/2 implementation. grpc-js is the fallback if native has a defect.',
  },
  etcd: {
    kind: 'text',
    default: 'etcd',
    section: 'etcd',
    reload: 'restart',
    doc: 'Name or path of the etcd binary to start.',
    dev: 'only',
    notInFile: true,
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof schema;

export type Settings = {
  readonly [N in SettingName]: ValueOf[(typeof schema)[N]['kind']];
};

export const settingNames = Object.keys(schema) as readonly SettingName[];

/** The row of a setting, typed with the optional columns. */
export function settingOf(name: SettingName): Setting {
  return schema[name];
}

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(schema, name);
}

export const environmentPrefix = 'ETCD_BULKHEAD_';

/** `listen-addr` → `ETCD_BULKHEAD_LISTEN_ADDR`. */
export function environmentName(name: SettingName): string {
  return environmentPrefix + name.replaceAll('-', '_').toUpperCase();
}
