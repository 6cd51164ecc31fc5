/**
 * The server on the admin address: probes, metrics and state over HTTP/1.1. It is read-only and separate from the client
 * port. It shows the ranges that tenants watch, but no values. Probes do not depend on etcd.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, isLoopback } from '../config/address.ts';
import type { EffectiveSetting } from '../config/config.ts';
import type { SocketAddress } from '../grpc/transport.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';

/** One endpoint as /upstreamz shows it. */
export interface EndpointReport {
  readonly name: string;
  readonly state: string;
  /** The system's message for the last failure. Empty if there was none. */
  readonly lastError: string;
  /** The etcd version that the endpoint reported. Empty if it has not reported one. */
  readonly version: string;
}

/** One feed of shared watches as /watchz shows it. */
export interface FeedReport {
  readonly tenant: string;
  /** The watched range, printable: the visible key and range end. */
  readonly key: string;
  readonly end: string;
  readonly state: string;
  /** Everything up to this revision has arrived from etcd. */
  readonly revision: number;
  readonly watchers: number;
  readonly historyBytes: number;
}

/** The configuration as /configz shows it. */
export interface ConfigurationReport {
  /** A hash of the settings. Processes with equal settings have equal hashes. */
  readonly hash: string;
  /** When the configuration was applied, in ISO 8601. */
  readonly since: string;
  /** The problems of a later configuration that was rejected. */
  readonly problems: readonly string[];
  /** Changed settings that take effect with a restart. */
  readonly needRestart: readonly string[];
  readonly settings: readonly EffectiveSetting[];
}

export interface AdminParts {
  readonly address: SocketAddress;
  readonly lifecycle: Lifecycle;
  readonly version: string;
  /** Called at every request, as `upstream` and `metrics`. */
  readonly configuration: () => ConfigurationReport;
  readonly upstream: () => readonly EndpointReport[];
  readonly feeds: () => readonly FeedReport[];
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface Admin {
  /** `host:port` with the real port, or `unix:///path`. */
  readonly address: string;
  /** Finishes requests in flight and closes. Called last during shutdown, because probes must be served until the end. */
  close(): Promise<void>;
}

/** Resolves when the port is bound. Rejects with the system's error if that fails. */
export async function startAdmin(parts: AdminParts): Promise<Admin> {
  const server = createServer(limits, (request, response) => {
    void respond(parts, request, response);
  });
  server.on('clientError', (_error, socket) => {
    socket.destroy();
  });
  server.maxConnections = connectionsMax;
  server.listen({ ...parts.address });
  await once(server, 'listening');
  // From here on an error means that a connection was not accepted, for example for lack of file descriptors.
  server.on('error', () => {});
  return {
    address: boundAddress(server, parts.address),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}

const connectionsMax = 256;

/** Requests are small, so slow or large ones are cut off. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
} as const;

function boundAddress(server: Server, address: SocketAddress): string {
  if ('path' in address) return formatAddress(address);
  const { port, address: host } = server.address() as AddressInfo;
  return formatAddress({ host, port });
}

interface Page {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

type Handler = (parts: AdminParts, query: URLSearchParams) => Page | Promise<Page>;

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  // A response proves that the event loop runs.
  ['/livez', () => text(200, 'ok')],
  ['/healthz', () => text(200, 'ok')],
  ['/startupz', ({ lifecycle }) => (lifecycle.isStarted ? text(200, 'ok') : text(503, 'starting'))],
  ['/readyz', readiness],
  ['/upstreamz', ({ upstream }) => json({ endpoints: upstream() })],
  ['/watchz', ({ feeds }) => json({ feeds: feeds() })],
  ['/configz', ({ configuration }) => json(configuration())],
  ['/version', ({ version }) => json({ 'etcd-bulkhead': version, node: process.version })],
  ['/metrics', exposition],
]);

async function respond(
  parts: AdminParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { code, type, body } = await pageFor(parts, request);
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(code === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function pageFor(parts: AdminParts, request: IncomingMessage): Promise<Page> {
  if (!isOwnName(parts.address, request.headers.host)) {
    return text(421, 'unknown host name');
  }
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const handler = handlers.get(path);
  if (handler === undefined) return text(404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'method not allowed');
  try {
    return await handler(parts, new URLSearchParams(query));
  } catch {
    return text(500, 'internal error');
  }
}

function readiness({ lifecycle }: AdminParts, query: URLSearchParams): Page {
  const checks = [
    { name: 'started', passes: lifecycle.isStarted },
    { name: 'not draining', passes: lifecycle.phase === 'starting' || lifecycle.isReady },
  ];
  const code = lifecycle.isReady ? 200 : 503;
  if (!query.has('verbose')) return text(code, code === 200 ? 'ok' : lifecycle.phase);
  const lines = checks.map(({ name, passes }) => `[${passes ? '+' : '-'}] ${name}`);
  return text(code, lines.join('\n'));
}

async function exposition({ metrics }: AdminParts): Promise<Page> {
  const { contentType, text: body } = await metrics();
  return { code: 200, type: contentType, body };
}

/**
 * Prevents DNS rebinding (CVE-2018-5702): a page in a browser resolves a name of its own domain to 127.0.0.1 and reads the
 * responses of this server. Legitimate requests to a loopback address have a loopback name in their Host header.
 */
function isOwnName(address: SocketAddress, host: string | undefined): boolean {
  if ('path' in address || !isLoopback(address.host) || host === undefined) return true;
  return isLoopback(host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
}

function text(code: number, line: string): Page {
  return { code, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

function json(value: unknown): Page {
  return {
    code: 200,
    type: 'application/json',
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}
