/** Builds the Config from parsed settings and the file, and makes the checks that involve several sections. */
import { reaches } from './address.ts';
import type { Config } from './config.ts';
import type { FileContents } from './file-contents.ts';
import type { Problem, ProblemReporter } from './problem.ts';
import type { SettingName, Settings } from './schema.ts';
import { resolveAccessLog } from './sections/access-log.ts';
import { readBearer } from './sections/bearer.ts';
import { resolveBreaker } from './sections/breaker.ts';
import { resolveDrain } from './sections/drain.ts';
import { type EndpointConfig, resolveEndpoints } from './sections/endpoints.ts';
import { readLeaseIds } from './sections/lease-ids.ts';
import { readLeaseSecret } from './sections/lease-secret.ts';
import { resolveLimits } from './sections/limits.ts';
import { type ListenerConfig, resolveListeners } from './sections/listeners.ts';
import { resolveLogin } from './sections/login.ts';
import { resolveRegistration } from './sections/registration.ts';
import { resolveTenants } from './sections/tenants.ts';
import { serverTls } from './sections/tls.ts';
import { tlsProtocol } from './sections/tls-protocol.ts';
import { readTokenKeys } from './sections/token-keys.ts';
import { readTracing } from './sections/tracing.ts';
import { readUriPatterns } from './sections/uri-pattern.ts';
import { resolveTotalLimits } from './sections/usage-limits.ts';
import { readUsers } from './sections/users.ts';
import { type RawSettings, settingReporter } from './setting-reporter.ts';
import type { KeyForm, LogLevel, TransportName } from './settings/operation.ts';

export interface ResolveInput extends RawSettings {
  readonly settings: Settings;
  /** Settings with a rejected value, replaced by the default. Their further problems are not reported. */
  readonly invalid: ReadonlySet<SettingName>;
  /** Every file that the settings and the file name. */
  readonly contents: FileContents;
}

/** Returns everything but `effective`. The result must not be used if `problems` is not empty. */
export function resolve(
  { settings, explicit, file, invalid, contents }: ResolveInput,
  problems: Problem[],
): Omit<Config, 'effective'> {
  const reportAlways = settingReporter({ explicit, file }, problems);
  const report: ProblemReporter = (setting, what) => {
    if (!invalid.has(setting as SettingName)) reportAlways(setting, what);
  };
  const input = { settings, explicit, file, contents, report: reportAlways };
  const tenants = resolveTenants(input, problems);
  const protocol = tlsProtocol(settings, report);
  const tls = serverTls(settings, protocol, contents, report);
  if (settings['client-cert-auth'] && settings['trusted-ca-file'] === '') {
    report('client-cert-auth', 'requires --trusted-ca-file to verify client certificates with');
  }
  if (settings['admin-tls'] && tls === null && !settings['auto-tls'])
    report('admin-tls', 'requires --cert-file');
  const listeners = resolveListeners({ ...input, tenants, tls, protocol }, problems);
  const { endpoints, ...endpointTls } = resolveEndpoints(settings, contents, report);
  if (!invalid.has('listen-addr')) rejectOwnAddresses(endpoints, listeners, report);
  return {
    tenants,
    leaseSecret: readLeaseSecret(settings, contents, report),
    leaseIds: readLeaseIds(settings, tenants, report),
    listeners,
    users: readUsers(settings, contents, report),
    tokenKeys: readTokenKeys(settings, contents, report),
    bearer: readBearer(settings, contents, report),
    uriPatterns: readUriPatterns(settings, report),
    endpoints,
    configuredEndpoints: endpoints,
    ...endpointTls,
    login: resolveLogin(settings, contents, report),
    advertiseClientUrls: settings['advertise-client-url'],
    jsonGateway: settings['enable-grpc-gateway'],
    corsOrigins: settings.cors,
    registration: resolveRegistration(settings, tenants, report),
    adminAddress: settings['admin-addr']?.address ?? null,
    adminTls: settings['admin-tls'] ? tls : null,
    adminActions: settings['admin-actions'],
    adminShutdown: settings['admin-shutdown'],
    transport: settings.transport as TransportName,
    workers: settings.workers,
    logLevel: settings['log-level'] as LogLevel,
    logKeys: settings['log-keys'] as KeyForm,
    accessLog: resolveAccessLog(settings),
    auditLog: settings['audit-log'] === 'on',
    advice: settings.advice === 'on',
    tracing: readTracing(settings, report),
    shareKeepAlives: settings['share-keepalives'],
    shareReads: settings['share-reads'],
    holdMs: settings.hold,
    requestTimeoutMs: settings['request-timeout'],
    keepaliveMs: settings['dial-keepalive-time'],
    keepaliveTimeoutMs: settings['dial-keepalive-timeout'],
    drain: resolveDrain(settings, report),
    breaker: resolveBreaker(settings, report),
    limits: resolveLimits(settings),
    totals: resolveTotalLimits(settings),
  };
}

/** A proxy that connects to itself would forward each request to itself without end. */
function rejectOwnAddresses(
  endpoints: readonly EndpointConfig[],
  listeners: readonly ListenerConfig[],
  report: ProblemReporter,
): void {
  for (const endpoint of endpoints) {
    const own = listeners.find(({ address }) => reaches(endpoint.address, address));
    if (own === undefined) continue;
    report(
      'endpoints',
      `contains ${endpoint.name}, where this proxy itself listens (${own.name}): ` +
        'set --endpoints to your etcd, or --listen-addr to another address',
    );
  }
}
