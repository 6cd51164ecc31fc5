/**
 * The admin address: probes, metrics and state over HTTP/1.1, for the platform and for people. It only reads. It is not
 * the port that clients use, and nothing of a tenant's data can be seen through it. Probes never ask etcd.
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
  /** The last failure in the system's words; empty when there was none. */
  readonly lastError: string;
  /** What the endpoint said it runs; empty when it was not asked or did not answer. */
  readonly version: string;
}

/** The configuration as /configz shows it. */
export interface ConfigurationReport {
  /** Of the settings, so that processes with the same ones can be told from others. */
  readonly hash: string;
  /** When they were put in force, in ISO 8601. */
  readonly since: string;
  /** What was wrong with a later configuration, which is not in force for that; empty when there is none. */
  readonly problems: readonly string[];
  /** Settings that were changed, and count from the next start on. */
  readonly needRestart: readonly string[];
  readonly settings: readonly EffectiveSetting[];
}

export interface AdminParts {
  readonly address: SocketAddress;
  readonly lifecycle: Lifecycle;
  readonly version: string;
  /** Asked at every request. */
  readonly configuration: () => ConfigurationReport;
  /** Asked at every request. */
  readonly upstream: () => readonly EndpointReport[];
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface Admin {
  /** `host:port` with the real port, or `unix:///path`. */
  readonly address: string;
  /** Answers what is under way and closes. Probes must be answered until the very end, so this comes last. */
  close(): Promise<void>;
}

/** Resolves when the port is bound; rejects with the system's error when it cannot be. */
export async function startAdmin(parts: AdminParts): Promise<Admin> {
  const server = createServer(limits, (request, response) => {
    void answer(parts, request, response);
  });
  server.on('clientError', (_error, socket) => {
    socket.destroy();
  });
  server.maxConnections = connectionsMax;
  server.listen({ ...parts.address });
  await once(server, 'listening');
  // From now on this can only be a connection that could not be accepted, for want of descriptors; the next one may.
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

/** Whoever dribbles is cut off: nobody who asks here has much to say. */
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

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

type Page = (parts: AdminParts, query: URLSearchParams) => Answer | Promise<Answer>;

const pages: ReadonlyMap<string, Page> = new Map<string, Page>([
  // That this function runs is the proof: the event loop turns.
  ['/livez', () => text(200, 'ok')],
  ['/healthz', () => text(200, 'ok')],
  ['/startupz', ({ lifecycle }) => (lifecycle.isStarted ? text(200, 'ok') : text(503, 'starting'))],
  ['/readyz', readiness],
  ['/upstreamz', ({ upstream }) => json({ endpoints: upstream() })],
  ['/configz', ({ configuration }) => json(configuration())],
  ['/version', ({ version }) => json({ 'etcd-bulkhead': version, node: process.version })],
  ['/metrics', exposition],
]);

async function answer(
  parts: AdminParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { code, type, body } = await answerTo(parts, request);
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(code === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerTo(parts: AdminParts, request: IncomingMessage): Promise<Answer> {
  if (!isOwnName(parts.address, request.headers.host)) {
    return text(421, 'this server is known by other names');
  }
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const page = pages.get(path);
  if (page === undefined) return text(404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only reads');
  try {
    return await page(parts, new URLSearchParams(query));
  } catch {
    return text(500, 'internal error');
  }
}

function readiness({ lifecycle }: AdminParts, query: URLSearchParams): Answer {
  const checks = [
    { name: 'started', holds: lifecycle.isStarted },
    { name: 'not draining', holds: lifecycle.phase === 'starting' || lifecycle.isReady },
  ];
  const code = lifecycle.isReady ? 200 : 503;
  if (!query.has('verbose')) return text(code, code === 200 ? 'ok' : lifecycle.phase);
  const lines = checks.map(({ name, holds }) => `[${holds ? '+' : '-'}] ${name}`);
  return text(code, lines.join('\n'));
}

async function exposition({ metrics }: AdminParts): Promise<Answer> {
  const { contentType, text: body } = await metrics();
  return { code: 200, type: contentType, body };
}

/**
 * A page in a browser can make a name of its own point to 127.0.0.1 and then read what this server says (DNS rebinding,
 * CVE-2018-5702). On a loopback address nobody but such a page uses a name that is not the machine's own.
 */
function isOwnName(address: SocketAddress, host: string | undefined): boolean {
  if ('path' in address || !isLoopback(address.host) || host === undefined) return true;
  return isLoopback(host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
}

function text(code: number, line: string): Answer {
  return { code, type: 'text/plain; charset=utf-8', body: `${line}\n` };
}

function json(value: unknown): Answer {
  return {
    code: 200,
    type: 'application/json',
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}
