/**
 * Settings → Config. Here stands whatever can only be said of several values together: files that belong together,
 * windows that must fit into one another, endpoints that are ourselves.
 */
import { reaches } from './address.ts';
import type { Config } from './config.ts';
import type { ConfigFile, RawValue } from './file.ts';
import type { Problem } from './problem.ts';
import type { ProblemReporter } from './read-file.ts';
import type { LogLevel, SettingName, Settings, TransportName } from './schema.ts';
import { readBearer } from './sections/bearer.ts';
import { resolveBreaker } from './sections/breaker.ts';
import { resolveDrain } from './sections/drain.ts';
import { type EndpointConfig, resolveEndpoints } from './sections/endpoints.ts';
import { resolveLimits } from './sections/limits.ts';
import { type ListenerConfig, resolveListeners } from './sections/listeners.ts';
import { resolveLogin } from './sections/login.ts';
import { resolveTenants } from './sections/tenants.ts';
import { serverTls } from './sections/tls.ts';
import { readUriPatterns } from './sections/uri-pattern.ts';
import { readUsers } from './sections/users.ts';

export interface ResolveInput {
  readonly settings: Settings;
  /** What was set explicitly, and where; any other setting holds its default. */
  readonly given: ReadonlyMap<SettingName, RawValue>;
  readonly file: ConfigFile | null;
  /** Hold a default because what was given is no value. That is reported; what follows from it need not be. */
  readonly invalid: ReadonlySet<SettingName>;
}

/** Everything but `effective`. What it returns is of use only when `problems` stayed empty. */
export function resolve(
  { settings, given, file, invalid }: ResolveInput,
  problems: Problem[],
): Omit<Config, 'effective'> {
  const report: ProblemReporter = (setting, what) => {
    const name = setting as SettingName;
    if (invalid.has(name)) return;
    problems.push({ where: given.get(name)?.where ?? `--${setting}`, what });
  };
  const tenants = resolveTenants(settings, given, file?.tenants ?? null, problems);
  const tls = serverTls(settings, report);
  if (settings['client-cert-auth'] && settings['trusted-ca-file'] === '') {
    report('client-cert-auth', 'needs --trusted-ca-file, which says whose certificates to accept');
  }
  const listeners = resolveListeners({ settings, given, file, tenants, tls }, problems);
  const endpoints = resolveEndpoints(settings, report);
  if (!invalid.has('listen-addr')) refuseOurselves(endpoints, listeners, report);
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
    limits: resolveLimits(settings),
  };
}

function refuseOurselves(
  endpoints: readonly EndpointConfig[],
  listeners: readonly ListenerConfig[],
  report: ProblemReporter,
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
