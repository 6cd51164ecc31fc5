/**
 * HTTP/1.1 on the client port: the pages that tools and client libraries request from etcd besides gRPC. It does not listen
 * on a port. The listener passes it connections, each with its peer as the second argument of the event, and limits their
 * number. Node's timeouts apply to ports only, so the time until a connection has sent a request is limited here.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Etcd } from '../call/call.ts';
import { isLoopback } from '../config/address.ts';
import { etcdTimeoutMs } from '../etcd/outcomes.ts';
import { hostName } from '../grpc/host-port.ts';
import type { Peer } from '../grpc/transport.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { health } from './health.ts';
import { metricsPage, type VisibleMetric } from './metrics.ts';
import { type Page, text } from './page.ts';
import type { RequestContext } from './unary.ts';
import { versionPage } from './version.ts';

/** The last known state of a member. */
export interface MemberReport {
  /** `ready` if the proxy is connected and the member has a leader. */
  readonly state: string;
  /** Empty if it is not known yet. */
  readonly version: string;
}

export interface GatewayParts {
  /** The top of the pipeline. */
  readonly etcd: Etcd<'client'>;
  /** Called at every request. */
  readonly upstream: () => readonly MemberReport[];
  /** Host names of this server that clients may use, besides those of the loopback addresses. */
  readonly hostNames: readonly string[];
  /** A metric of the process in Prometheus' text format. */
  readonly processMetric: (name: VisibleMetric) => Promise<string>;
  readonly clock: Clock;
  /** Called with an exception, which is always a bug. The request gets status 500. */
  readonly onFault: (fault: unknown) => void;
}

/** Those below /proxy are etcd's own proxy's, which has them on the client port too. */
const paths: ReadonlySet<string> = new Set([
  ...['/health', '/metrics', '/version', '/proxy/health', '/proxy/metrics'],
]);
const headBytesMax = 16 * 1024;
/** From the start of the connection, or from the previous response, to the end of a request head. */
const headTimeoutMs = 5_000;

/** Returns a server that does not listen. It serves the connections of its `connection` event: `(socket, peer)`. */
export function gateway(parts: GatewayParts): Server {
  const server = createServer({ maxHeaderSize: headBytesMax, keepAliveTimeout: headTimeoutMs });
  const connections = new Connections(parts.clock);
  server.on('connection', (socket: Socket, peer?: Peer) => {
    if (peer === undefined) socket.destroy();
    else connections.add(socket, peer);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  // No page reads a body, so the server does not send 100 Continue.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const peer = connections.onRequest(request.socket, response);
    if (peer === null) return;
    const disconnected = new AbortController();
    response.once('close', () => disconnected.abort());
    pageFor(parts, request, peer, disconnected.signal).then(
      (page) => write(response, page),
      (fault: unknown) => {
        parts.onFault(fault);
        write(response, text(500, 'internal error'));
      },
    );
  });
  return server;
}

interface Connection {
  readonly peer: Peer;
  cancelTimer: CancelTimer;
}

/** The open connections, each with a timer while it waits for a request. */
class Connections {
  readonly #clock: Clock;
  readonly #open = new Map<Socket, Connection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(socket: Socket, peer: Peer): void {
    this.#open.set(socket, { peer, cancelTimer: this.#startTimer(socket) });
    socket.once('close', () => {
      this.#open.get(socket)?.cancelTimer();
      this.#open.delete(socket);
    });
  }

  /** Stops the timer until the response has been sent. Returns null if the connection was not accepted. */
  onRequest(socket: Socket, response: ServerResponse): Peer | null {
    const connection = this.#open.get(socket);
    if (connection === undefined) return null;
    connection.cancelTimer();
    response.once('finish', () => {
      connection.cancelTimer();
      if (this.#open.has(socket)) connection.cancelTimer = this.#startTimer(socket);
    });
    return connection.peer;
  }

  #startTimer(socket: Socket): CancelTimer {
    return this.#clock.after(headTimeoutMs, () => socket.destroy());
  }
}

function write(response: ServerResponse, { code, type, body }: Page): void {
  // The client may have disconnected.
  if (response.destroyed) return;
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(code === 405 && { allow: 'GET' }),
  });
  response.end(body);
}

async function pageFor(
  parts: GatewayParts,
  request: IncomingMessage,
  peer: Peer,
  signal: AbortSignal,
): Promise<Page> {
  if (!isOwnName(request, parts.hostNames)) return text(421, 'unknown host name');
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (!paths.has(path)) return text(404, '404 page not found');
  if (request.method !== 'GET') return text(405, 'Method Not Allowed');
  if (path.endsWith('/metrics')) return metricsPage(parts.processMetric);
  const members = parts.upstream();
  if (path === '/version') return versionPage(members.map(({ version }) => version));
  const { authorization } = request.headers;
  const context: RequestContext = {
    etcd: parts.etcd,
    peer,
    metadata: authorization === undefined ? [] : ['authorization', authorization],
    deadlineMs: parts.clock.nowMs() + etcdTimeoutMs,
    signal,
  };
  const hasLeader = members.some(({ state }) => state === 'ready');
  return health(context, new URLSearchParams(query), hasLeader);
}

/**
 * Prevents DNS rebinding (CVE-2018-5702): a page in a browser resolves a name of its own domain to 127.0.0.1 and reads the
 * responses of this server. Legitimate requests to a loopback address have a loopback name or a configured name in their
 * Host header. With TLS the certificate proves the name, so it is not checked, as in etcd.
 */
function isOwnName({ socket, headers }: IncomingMessage, hostNames: readonly string[]): boolean {
  const { host } = headers;
  if ('encrypted' in socket || host === undefined) return true;
  if (!isLoopback(socket.localAddress?.replace(/^::ffff:/, '') ?? '')) return true;
  const name = hostName(host);
  return isLoopback(name) || hostNames.includes(name);
}
