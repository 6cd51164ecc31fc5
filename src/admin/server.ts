/**
 * The server on the admin address: probes, metrics, state and the dashboard over HTTP/1.1. It is read-only unless actions are enabled, and
 * separate from the client port. It shows the ranges that tenants watch, but no values. Probes do not depend on etcd.
 */

import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { isLoopback } from '../config/address.ts';
import { bind } from '../grpc/bind.ts';
import { hostName } from '../grpc/host-port.ts';
import { RevocationCheck } from '../grpc/revocation-check.ts';
import { serverContextOptions, serverTlsOptions } from '../grpc/tls.ts';
import type { ServerTls, SocketAddress } from '../grpc/transport.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { TenantAdvice } from '../observe/advice/report.ts';
import type { OpenCalls } from '../observe/open-calls.ts';
import type { Clock } from '../runtime/clock.ts';
import { descriptorShares } from '../runtime/descriptor-limit.ts';
import { nodeHttp } from '../runtime/node-http.ts';
import {
  type Action,
  type ActionResult,
  type BreakerReport,
  isActionPath,
  readAction,
} from './actions.ts';
import { json, type Page, text } from './page.ts';
import { liveness, type ProbeResult, readiness, startup } from './probes.ts';
import type {
  ByWorker,
  ConfigurationReport,
  EndpointReport,
  FeedReport,
  HealthReport,
  TenantReport,
  WorkerReport,
} from './reports.ts';
import { shutdownPath, shutdownRejection } from './shutdown.ts';
import { TenantPage } from './tenantz.ts';

type MaybePromise<T> = T | Promise<T>;

export interface AdminParts {
  readonly address: SocketAddress;
  /** Missing or null: plain text. */
  readonly tls?: ServerTls | null;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly version: string;
  /** Called at every request, as all functions below. */
  readonly configuration: () => MaybePromise<ConfigurationReport>;
  readonly upstream: () => MaybePromise<readonly ByWorker<EndpointReport>[]>;
  readonly feeds: () => MaybePromise<readonly ByWorker<FeedReport>[]>;
  readonly tenants: () => MaybePromise<readonly TenantReport[]>;
  /** Missing if the advice is switched off. */
  readonly advice?: () => MaybePromise<readonly TenantAdvice[]>;
  readonly openCalls: () => MaybePromise<OpenCalls>;
  /** Whether etcd serves the proxy. */
  readonly health: () => Promise<HealthReport>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Missing if actions are disabled. */
  readonly actions?: AdminActions;
  /** Starts the drain. Missing if POST /quitquitquit is disabled. */
  readonly onShutdown?: (remote: string) => void;
  /** Missing in a process without workers. */
  readonly workers?: () => readonly WorkerReport[];
}

export interface AdminActions {
  /** Those that are not closed, or that are forced. */
  readonly breakers: () => MaybePromise<readonly ByWorker<BreakerReport>[]>;
  readonly perform: (action: Action) => MaybePromise<ActionResult>;
  /** Called for the audit log, for each action that was performed. */
  readonly onPerformed: (action: Action, remote: string) => void;
  /** The same for each request for an action that was refused. `reason` has no text of the request. */
  readonly onRefused: (reason: string, remote: string) => void;
}

export interface Admin {
  /** `host:port` with the real port, or `unix:///path`. */
  readonly address: string;
  /** Replaces the certificates for later handshakes. Has no effect without TLS. */
  replaceTls(tls: ServerTls | null): void;
  /**
   * Finishes requests in flight and closes, within `closeTimeoutMs`. Called last during shutdown, because probes must be served
   * until the end.
   */
  close(): Promise<void>;
}

/** Resolves when the address is bound. Rejects with the system's error if that fails. */
export async function startAdmin(parts: AdminParts): Promise<Admin> {
  const tls = parts.tls ?? null;
  const tenantPage = new TenantPage(parts.clock, parts.tenants);
  const serverParts = { ...parts, tenantPage };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    void respond(serverParts, request, response);
  };
  const secure = tls && (await tlsServer(tls, handle));
  let revocation = tls && RevocationCheck.of(tls);
  secure?.on('secureConnection', (socket) => {
    if (revocation?.refuses(socket) === true) socket.destroy();
  });
  const server = secure ?? nodeHttp().createServer(limits, handle);
  server.on('clientError', (_error, socket) => {
    socket.destroy();
  });
  // Further connections are closed.
  server.maxConnections = descriptorShares().admin;
  const bound = await bind(server, parts.address);
  // From here on an error means that a connection was not accepted, for example for lack of file descriptors.
  server.on('error', () => {});
  return {
    address: 'path' in parts.address ? `unix://${bound}` : bound,
    replaceTls: (next) => {
      if (next === null) return;
      secure?.setSecureContext(serverContextOptions(next));
      revocation = RevocationCheck.of(next);
    },
    close: () => close(server, parts.clock),
  };
}

async function tlsServer(
  tls: ServerTls,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TlsServer> {
  const { createServer: create } = await import('node:https');
  return create({ ...limits, ...serverTlsOptions(tls) }, handle);
}

/** Longer than the primary process waits for its workers, so a scrape in flight is finished. */
const closeTimeoutMs = 1_500;

/** Requests are small, so slow or large ones are cut off. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  /** How often the two timeouts above are checked. */
  connectionsCheckingInterval: 1_000,
} as const;

/** The timeouts above are not checked any more, so the connections that remain after `closeTimeoutMs` are destroyed. */
async function close(server: Server | TlsServer, clock: Clock): Promise<void> {
  const closed = once(server, 'close');
  const cancelTimer = clock.after(closeTimeoutMs, () => server.closeAllConnections());
  server.close();
  server.closeIdleConnections();
  await closed;
  cancelTimer();
}

/** What handlers need: the parts, and what one server shares between its requests. */
interface ServerParts extends AdminParts {
  readonly tenantPage: TenantPage;
}

type Handler = (parts: ServerParts, query: URLSearchParams) => Page | Promise<Page>;

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['/', toDashboard],
  ['/dashboard', toDashboard],
  ['/livez', (parts) => probe(liveness(workersOf(parts)))],
  ['/healthz', (parts) => probe(liveness(workersOf(parts)))],
  ['/startupz', ({ lifecycle }) => probe(startup(lifecycle))],
  ['/readyz', (parts, query) => probe(readiness(parts.lifecycle, workersOf(parts)), query)],
  ['/upstreamz', async ({ upstream }) => json({ endpoints: await upstream() })],
  ['/breakers', breakerList],
  ['/watchz', async ({ feeds }) => json({ feeds: await feeds() })],
  ['/tenantz', tenantList],
  ['/advicez', adviceList],
  ['/drainz', drainState],
  ['/configz', configuration],
  ['/version', ({ version }) => json({ 'etcd-bulkhead': version, node: process.version })],
  ['/metrics', exposition],
  // The paths of etcd's own proxy on its metrics address.
  ['/health', ({ health }) => healthPage(health)],
  ['/proxy/health', proxyHealth],
  ['/proxy/metrics', exposition],
]);

function workersOf({ workers }: AdminParts): readonly WorkerReport[] {
  return workers?.() ?? [];
}

async function respond(
  parts: ServerParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { code, type, body, headers } = await pageFor(parts, request);
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
    ...(code === 405 && { allow: isPostPath(request.url ?? '') ? 'POST' : 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function pageFor(parts: ServerParts, request: IncomingMessage): Promise<Page> {
  if (!('encrypted' in request.socket) && !isOwnName(parts.address, request.headers.host)) {
    return text(421, 'unknown host name');
  }
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (path === shutdownPath) return shutdownPage(parts, request);
  if (isActionPath(path)) return actionPage(parts, request, path, new URLSearchParams(query));
  const handler = path.startsWith(dashboardPath) ? dashboard(path) : handlers.get(path);
  if (handler === undefined) return text(404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'method not allowed');
  try {
    return await handler(parts, new URLSearchParams(query));
  } catch {
    return text(500, 'internal error');
  }
}

function isPostPath(path: string): boolean {
  return path === shutdownPath || isActionPath(path);
}

function shutdownPage({ address, onShutdown }: AdminParts, request: IncomingMessage): Page {
  if (onShutdown === undefined) return text(404, 'shutdown is disabled: see --admin-shutdown');
  if (request.method !== 'POST') return text(405, 'method not allowed');
  const rejection = shutdownRejection(request, address);
  if (rejection !== null) return text(rejection.code, rejection.text);
  // Later requests change nothing: the process drains once.
  onShutdown(request.socket.remoteAddress ?? '');
  return json({ kind: 'shutdown' });
}

async function actionPage(
  { actions }: AdminParts,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
): Promise<Page> {
  if (actions === undefined) return text(404, 'actions are disabled: see --admin-actions');
  if (request.method !== 'POST') return text(405, 'method not allowed');
  const action = readAction(request, path, query);
  const remote = request.socket.remoteAddress ?? '';
  const refused = (code: number, reason: string) => {
    actions.onRefused(reason, remote);
    return text(code, reason);
  };
  if ('code' in action) return refused(action.code, action.text);
  try {
    const { outcome, note } = await actions.perform(action);
    if (outcome === 'not found') return refused(404, `the ${subjectOf(action)} does not exist`);
    if (outcome === 'disabled') return refused(404, note);
    actions.onPerformed(action, remote);
    return json(note === '' ? action : { ...action, note });
  } catch {
    return text(500, 'internal error');
  }
}

function subjectOf({ kind }: Action): string {
  return kind === 'breaker' ? 'tenant' : 'endpoint';
}

function probe({ passes, text: line, checks }: ProbeResult, query?: URLSearchParams): Page {
  const code = passes ? 200 : 503;
  if (query?.has('verbose') !== true) return text(code, line);
  const lines = checks.map((check) => `[${check.passes ? '+' : '-'}] ${check.name}`);
  return text(code, lines.join('\n'));
}

async function configuration(parts: AdminParts): Promise<Page> {
  const report = await parts.configuration();
  return json(parts.workers === undefined ? report : { ...report, workers: parts.workers() });
}

async function breakerList({ actions }: AdminParts): Promise<Page> {
  if (actions === undefined) return text(404, 'actions are disabled: see --admin-actions');
  return json({ breakers: await actions.breakers() });
}

/** `?max-age=MS` permits a page that was made for another reader. */
async function tenantList({ tenantPage }: ServerParts, query: URLSearchParams): Promise<Page> {
  const maxAgeMs = Number(query.get('max-age'));
  return { code: 200, type: 'application/json', body: await tenantPage.read(maxAgeMs || 0) };
}

async function adviceList({ advice }: AdminParts): Promise<Page> {
  if (advice === undefined) return text(404, 'the advice is switched off: see --advice');
  return json({ tenants: await advice() });
}

/** At any time: what a drain would wait for, or still waits for. */
async function drainState({ lifecycle, openCalls }: AdminParts): Promise<Page> {
  return json({ phase: lifecycle.phase, open: await openCalls() });
}

/** In etcd's format: without spaces, because some clients compare the text. */
async function healthPage(report: () => MaybePromise<HealthReport>): Promise<Page> {
  const { isHealthy, reason } = await report();
  const body = isHealthy ? { health: 'true' } : { health: 'false', reason };
  return { code: isHealthy ? 200 : 503, type: 'application/json', body: JSON.stringify(body) };
}

/** Whether clients of this process are served: etcd's own proxy calls itself for this. */
function proxyHealth({ lifecycle, health }: AdminParts): Promise<Page> {
  return healthPage(() =>
    lifecycle.isReady ? health() : { isHealthy: false, reason: lifecycle.phase },
  );
}

async function exposition({ metrics }: AdminParts): Promise<Page> {
  const { contentType, text: body } = await metrics();
  return { code: 200, type: contentType, body };
}

/**
 * Prevents DNS rebinding (CVE-2018-5702): a page in a browser resolves a name of its own domain to 127.0.0.1 and reads the
 * responses of this server. Legitimate requests to a loopback address have a loopback name in their Host header. With TLS the
 * certificate proves the name.
 */
function isOwnName(address: SocketAddress, host: string | undefined): boolean {
  if ('path' in address || !isLoopback(address.host) || host === undefined) return true;
  return isLoopback(hostName(host));
}

const dashboardPath = '/dashboard/';

function dashboard(path: string): Handler {
  return async () => {
    const { dashboardFile } = await import('./dashboard-files.ts');
    return dashboardFile(path.slice(dashboardPath.length));
  };
}

/** Relative, so that it also works behind a proxy that adds a path, as `kubectl proxy` does. */
function toDashboard(): Page {
  return { ...text(302, 'see dashboard/'), headers: { location: 'dashboard/' } };
}
