/**
 * Settings → Config. Here stands whatever can only be said of several values together: files that belong together,
 * windows that must fit into one another, endpoints that are ourselves.
 */
import { reaches } from './address.ts';
import type {
  Config,
  EndpointConfig,
  ListenerConfig,
  LoginConfig,
  LogLevel,
  TransportName,
} from './config.ts';
import type { ConfigFile, Given } from './file.ts';
import type { Problem } from './problem.ts';
import { type Report, readFile } from './read-file.ts';
import type { SettingName, Settings } from './schema.ts';
import { readBearer } from './sections/bearer.ts';
import { resolveListeners } from './sections/listeners.ts';
import { resolveTenants } from './sections/tenants.ts';
import { clientTls, serverTls } from './sections/tls.ts';
import { readUriPatterns } from './sections/uri-pattern.ts';
import { readUsers } from './sections/users.ts';
import { formatDuration } from './values.ts';

export interface Unresolved {
  readonly settings: Settings;
  /** What was set explicitly, and where; any other setting holds its default. */
  readonly given: ReadonlyMap<SettingName, Given>;
  readonly file: ConfigFile | null;
  /** Hold a default because what was given is no value. That is reported; what follows from it need not be. */
  readonly faulty: ReadonlySet<SettingName>;
}

/** Everything but `effective`. What it returns is of use only when `problems` stayed empty. */
export function resolve(
  { settings, given, file, faulty }: Unresolved,
  problems: Problem[],
): Omit<Config, 'effective'> {
  const report: Report = (setting, what) => {
    const name = setting as SettingName;
    if (faulty.has(name)) return;
    problems.push({ where: given.get(name)?.where ?? `--${setting}`, what });
  };
  const tenants = resolveTenants(settings, given, file?.tenants ?? null, problems);
  const tls = serverTls(settings, report);
  if (settings['client-cert-auth'] && settings['trusted-ca-file'] === '') {
    report('client-cert-auth', 'needs --trusted-ca-file, which says whose certificates to accept');
  }
  const listeners = resolveListeners({ settings, given, file, tenants, tls }, problems);
  const endpoints = resolveEndpoints(settings, report);
  if (!faulty.has('listen-addr')) refuseOurselves(endpoints, listeners, report);
  return {
    tenants,
    listeners,
    users: readUsers(settings, report),
    bearer: readBearer(settings, report),
    uriPatterns: readUriPatterns(settings, report),
    endpoints,
    login: resolveLogin(settings, report),
    advertiseClientUrls: settings['advertise-client-url'],
    adminAddress: settings['admin-addr']?.address ?? null,
    transport: settings.transport as TransportName,
    logLevel: settings['log-level'] as LogLevel,
    logKeys: settings['log-keys'],
    holdMs: settings.hold,
    requestTimeoutMs: settings['request-timeout'],
    keepaliveMs: settings['dial-keepalive-time'],
    keepaliveTimeoutMs: settings['dial-keepalive-timeout'],
    drain: resolveDrain(settings, report),
    breaker: resolveBreaker(settings, report),
    limits: {
      messageBytesMax: settings['max-request-bytes'] + roomBytes,
      streamsMax: unlimited(settings['max-concurrent-streams']),
    },
  };
}

/** What etcd's server adds to --max-request-bytes for its own receive limit (server/etcdserver/api/v3rpc/grpc.go). */
const roomBytes = 512 * 1024;

/** etcd's way to say "no limit" in a field of 32 bits. */
function unlimited(count: number): number {
  return count === 4_294_967_295 ? Number.POSITIVE_INFINITY : count;
}

function refuseOurselves(
  endpoints: readonly EndpointConfig[],
  listeners: readonly ListenerConfig[],
  report: Report,
): void {
  for (const endpoint of endpoints) {
    const self = listeners.find(({ address }) => reaches(endpoint.address, address));
    if (self === undefined) continue;
    report(
      'endpoints',
      `${endpoint.name} is where this proxy itself listens (${self.name}): ` +
        'name your etcd with --endpoints, or listen elsewhere with --listen-addr',
    );
  }
}

function resolveEndpoints(settings: Settings, report: Report): readonly EndpointConfig[] {
  const configured = clientTls(settings, report);
  // What https:// means when nothing else was said: the authorities that the system trusts.
  const systemTrust = {
    authorities: null,
    certificate: null,
    key: null,
    serverName: settings['server-name'] || null,
    skipVerification: false,
  };
  const usesTls = configured !== null || settings.endpoints.some(({ secure }) => secure === true);
  if (settings['server-name'] !== '' && !usesTls) {
    report('server-name', 'has no effect: nothing turns on TLS towards etcd');
  }
  return settings.endpoints.map(({ text, address, secure }) => {
    if (secure === false && configured !== null) {
      report('endpoints', `${text} asks for plain text, but the other settings ask for TLS`);
    }
    return { name: text, address, tls: configured ?? (secure === true ? systemTrust : null) };
  });
}

function resolveLogin(settings: Settings, report: Report): LoginConfig | null {
  const { user, 'password-file': path } = settings;
  if (user === '' && path === '') return null;
  if (path === '') report('user', 'needs --password-file as well');
  if (user === '') report('password-file', 'needs --user as well');
  const [password = ''] = readFile('password-file', path, report)?.toString().split(/\r?\n/) ?? [];
  if (path !== '' && password === '') report('password-file', 'its first line is empty');
  return { user, password };
}

function resolveDrain(settings: Settings, report: Report): Config['drain'] {
  const { 'min-drain': minMs, 'drain-window': windowMs, 'max-drain': maxMs } = settings;
  if (maxMs < minMs + windowMs) {
    const least = formatDuration(minMs + windowMs);
    report('max-drain', `is too short: --min-drain and --drain-window need ${least}`);
  }
  return { minMs, windowMs, maxMs };
}

function resolveBreaker(settings: Settings, report: Report): Config['breaker'] {
  const { 'breaker-open': openMs, 'breaker-open-max': openMaxMs } = settings;
  if (openMaxMs < openMs) report('breaker-open-max', 'is shorter than --breaker-open');
  return {
    enabled: settings.breaker,
    windowMs: settings['breaker-window'],
    callsMin: settings['breaker-min-calls'],
    errorPercent: settings['breaker-error-percent'],
    openMs,
    openMaxMs,
  };
}
