/**
 * Every setting there is, one row each: the flag, the environment variable, the key in the file, --help and the types
 * come from here. It says what a setting is; whether values fit together is resolve.ts's to say.
 *
 * Secrets have no row and never will: they come as names of files, so a configuration may always be shown.
 */
import type { ParsedAddress, ParsedEndpoint } from './address.ts';

/** What each kind of setting becomes. Durations are milliseconds. */
export interface ValueOf {
  text: string;
  list: readonly string[];
  file: string;
  boolean: boolean;
  integer: number;
  duration: number;
  bytes: number;
  choice: string;
  address: ParsedAddress | null;
  addresses: readonly ParsedAddress[];
  endpoints: readonly ParsedEndpoint[];
}

export type Kind = keyof ValueOf;

/** Whether a reload applies a changed value, or only a restart of the process does. */
export type Reload = 'applied' | 'restart';

/** The heading under which --help shows a setting. */
export type Section = 'etcd' | 'clients' | 'namespace' | 'resilience' | 'shutdown' | 'operation';

export interface Setting {
  readonly kind: Kind;
  /** Read like any other value, so that it cannot be spelled in a way that users could not. */
  readonly default: string;
  readonly section: Section;
  readonly reload: Reload;
  /** One line, for --help. */
  readonly doc: string;
  readonly choices?: readonly string[];
  /** Bounds in the value's own unit: milliseconds, bytes or a count. */
  readonly min?: number;
  readonly max?: number;
  /** `fixed`: the command decides it itself and takes no such flag. `only`: no other command knows it. */
  readonly dev?: 'fixed' | 'only';
  /** Only as a flag or in the environment: it would make no sense inside of the file. */
  readonly notInFile?: true;
}

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
    doc: 'file with settings (YAML or JSON), and with the tenants when there are several',
    dev: 'fixed',
    notInFile: true,
  },
  endpoints: {
    kind: 'endpoints',
    default: '127.0.0.1:2379',
    section: 'etcd',
    reload: 'applied',
    doc: "the cluster's members; host:port, http://, https:// or unix:///path",
    dev: 'fixed',
  },
  cacert: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'authorities that sign the certificates of etcd; turns TLS on',
    dev: 'fixed',
  },
  cert: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'client certificate to show to etcd; its common name must be empty',
    dev: 'fixed',
  },
  key: {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'private key of --cert',
    dev: 'fixed',
  },
  'allow-common-name': {
    kind: 'boolean',
    default: 'false',
    section: 'etcd',
    reload: 'applied',
    doc: 'let --cert have a common name, which etcd takes for the user of calls without a token',
    dev: 'fixed',
  },
  user: {
    kind: 'text',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'user of etcd that the proxy itself is; needs --password-file',
    dev: 'fixed',
  },
  'password-file': {
    kind: 'file',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'file whose first line is the password of --user',
    dev: 'fixed',
  },
  'insecure-skip-tls-verify': {
    kind: 'boolean',
    default: 'false',
    section: 'etcd',
    reload: 'applied',
    doc: 'do not verify the certificates of etcd; for tests only',
    dev: 'fixed',
  },
  'server-name': {
    kind: 'text',
    default: '',
    section: 'etcd',
    reload: 'applied',
    doc: 'name to expect in the certificates of etcd, where it is not the address',
    dev: 'fixed',
  },
  'dial-keepalive-time': {
    kind: 'duration',
    default: '10s',
    min: 10_000,
    section: 'etcd',
    reload: 'restart',
    doc: 'interval of pings to etcd while calls are open',
  },
  'dial-keepalive-timeout': {
    kind: 'duration',
    default: '5s',
    min: 100,
    section: 'etcd',
    reload: 'restart',
    doc: 'how long a ping may stay unanswered before the connection counts as lost',
  },
  'listen-addr': {
    kind: 'addresses',
    default: '127.0.0.1:2379,[::1]:2379',
    section: 'clients',
    reload: 'applied',
    doc: 'where clients connect; host:port or unix:///path',
    dev: 'fixed',
  },
  'cert-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'certificate to show to clients; turns TLS on',
    dev: 'fixed',
  },
  'key-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'private key of --cert-file',
    dev: 'fixed',
  },
  'trusted-ca-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'authorities that sign the certificates of clients; clients must then show one',
    dev: 'fixed',
  },
  'client-cert-auth': {
    kind: 'boolean',
    default: 'false',
    section: 'clients',
    reload: 'applied',
    doc: 'insist on client certificates; needs --trusted-ca-file',
    dev: 'fixed',
  },
  'uri-pattern': {
    kind: 'list',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'URIs of client certificates whose parts name the tenant, as in spiffe://td/sa/{tenant}',
    dev: 'fixed',
  },
  'users-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'user:hash in each line, for listeners that identify by user; see hash-password',
    dev: 'fixed',
  },
  'jwks-file': {
    kind: 'file',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'public keys (JWKS) that verify bearer tokens, for listeners that identify by jwt',
    dev: 'fixed',
  },
  'jwt-issuer': {
    kind: 'text',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'what the claim iss of a bearer token must be',
    dev: 'fixed',
  },
  'jwt-audience': {
    kind: 'text',
    default: '',
    section: 'clients',
    reload: 'applied',
    doc: 'what the claim aud of a bearer token must contain',
    dev: 'fixed',
  },
  'jwt-claim': {
    kind: 'text',
    default: 'sub',
    section: 'clients',
    reload: 'applied',
    doc: 'the claim of a bearer token that names the tenant',
    dev: 'fixed',
  },
  'jwt-algorithms': {
    kind: 'list',
    default: 'RS256,ES256,EdDSA',
    section: 'clients',
    reload: 'applied',
    doc: 'signatures of bearer tokens to accept; only asymmetric ones',
    dev: 'fixed',
  },
  'max-concurrent-streams': {
    kind: 'integer',
    default: `${uint32Max}`,
    min: 1,
    max: uint32Max,
    section: 'clients',
    reload: 'restart',
    doc: 'calls that one connection may have open at a time',
  },
  'max-request-bytes': {
    kind: 'bytes',
    default: '1.5MiB',
    min: 1024,
    max: 1_073_741_824,
    section: 'clients',
    reload: 'restart',
    doc: "size of a request, as in etcd's own flag; 512 KiB more are taken for what stands around it",
  },
  'advertise-client-url': {
    kind: 'list',
    default: '',
    section: 'clients',
    reload: 'restart',
    doc: 'what MemberList names as the address of this proxy; the listeners unless set',
    dev: 'fixed',
  },
  namespace: {
    kind: 'text',
    default: '',
    section: 'namespace',
    reload: 'applied',
    doc: 'prefix of all keys in etcd; empty passes keys and leases through as they are',
    dev: 'fixed',
  },
  'allow-undelimited': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: 'let a namespace end without a delimiter; nobody else may then use what it is a prefix of',
    dev: 'fixed',
  },
  'read-only': {
    kind: 'boolean',
    default: 'false',
    section: 'namespace',
    reload: 'applied',
    doc: "refuse every tenant's writes, as if each had the access read-only",
    dev: 'fixed',
  },
  hold: {
    kind: 'duration',
    default: '5s',
    max: 10 * minuteMs,
    section: 'resilience',
    reload: 'restart',
    doc: 'how long a call may wait for an endpoint before it is sent; 0 refuses at once',
  },
  'request-timeout': {
    kind: 'duration',
    default: '15s',
    min: 100,
    section: 'resilience',
    reload: 'restart',
    doc: 'deadline of calls whose client set none; below 7s an election looks like a hang',
  },
  breaker: {
    kind: 'boolean',
    default: 'true',
    section: 'resilience',
    reload: 'restart',
    doc: 'answer at once, without asking etcd, while too many calls fail',
  },
  'breaker-window': {
    kind: 'duration',
    default: '10s',
    min: 1000,
    section: 'resilience',
    reload: 'restart',
    doc: 'the time over which failures are counted',
  },
  'breaker-min-calls': {
    kind: 'integer',
    default: '20',
    min: 1,
    section: 'resilience',
    reload: 'restart',
    doc: 'calls within the window below which it never opens',
  },
  'breaker-error-percent': {
    kind: 'integer',
    default: '50',
    min: 1,
    max: 99,
    section: 'resilience',
    reload: 'restart',
    doc: 'opens when more than this share of the calls failed',
  },
  'breaker-open': {
    kind: 'duration',
    default: '1s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'how long it stays open at first; doubles each time the next probe fails',
  },
  'breaker-open-max': {
    kind: 'duration',
    default: '30s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'what the doubling ends at',
  },
  'min-drain': {
    kind: 'duration',
    default: '0s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'after SIGTERM: how long new calls are still taken',
  },
  'drain-window': {
    kind: 'duration',
    default: '5s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'the time over which open watches are ended, one by one',
  },
  'max-drain': {
    kind: 'duration',
    default: '25s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'after which whatever is left is cut off',
  },
  'admin-addr': {
    kind: 'address',
    default: '127.0.0.1:2381',
    section: 'operation',
    reload: 'restart',
    doc: 'probes, metrics and state over HTTP; port 0 takes a free one, empty turns it off',
  },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: logLevels,
    section: 'operation',
    reload: 'restart',
    doc: 'lifecycle at info, one line per call at debug',
  },
  'log-keys': {
    kind: 'boolean',
    default: 'false',
    section: 'operation',
    reload: 'restart',
    doc: 'allow keys in logs; values never appear',
  },
  transport: {
    kind: 'choice',
    default: 'native',
    choices: transports,
    section: 'operation',
    reload: 'restart',
    doc: 'the HTTP/2 implementation',
  },
  etcd: {
    kind: 'text',
    default: 'etcd',
    section: 'etcd',
    reload: 'restart',
    doc: 'the etcd binary to start',
    dev: 'only',
    notInFile: true,
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof schema;

export type Settings = {
  readonly [N in SettingName]: ValueOf[(typeof schema)[N]['kind']];
};

export const settingNames = Object.keys(schema) as readonly SettingName[];

/** The row of a setting, with its optional columns. */
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
