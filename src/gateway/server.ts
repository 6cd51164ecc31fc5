/**
 * HTTP/1.1 on the port that clients use: what tools and client libraries ask an etcd for besides gRPC. It is handed its
 * connections by the listener, with the peer behind each as the event's second argument, and listens on no port itself;
 * so what Node bounds for ports of its own is bounded here. Guarantee: nobody holds a connection without asking.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Etcd } from '../call/call.ts';
import { isLoopback } from '../config/address.ts';
import { etcdTimeoutMs } from '../etcd/outcomes.ts';
import type { Peer } from '../grpc/transport.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { type Answer, text } from './answer.ts';
import { health } from './health.ts';
import type { Asking } from './unary.ts';
import { versionAnswer } from './version.ts';

/** What is known of a member without asking it. */
export interface MemberReport {
  /** `ready`: connected, and it has a leader. */
  readonly state: string;
  /** Empty when it has not been told. */
  readonly version: string;
}

export interface GatewayParts {
  /** The top of the pipeline. Asked at every request, since a listener may be made before it. */
  readonly etcd: () => Etcd<'client'>;
  /** Asked at every request. */
  readonly upstream: () => readonly MemberReport[];
  /** Host names under which clients may know this server, besides those of the machine itself. */
  readonly hostNames: readonly string[];
  readonly clock: Clock;
  /** Something threw while a request was answered: a bug. That request has got 500. */
  readonly onFault: (fault: unknown) => void;
}

/** Connections at a time; over it a new one is cut off. */
const connectionsMax = 256;
const headBytesMax = 16 * 1024;
/** From the connection, or the answer before, to the end of the head. Over it the connection is cut off. */
const headWithinMs = 5_000;

/** Never listens: it answers on the connections that its `connection` event brings, as `(socket, peer)`. */
export function gateway(parts: GatewayParts): Server {
  const server = createServer({ maxHeaderSize: headBytesMax, keepAliveTimeout: headWithinMs });
  const connections = new Connections(parts.clock);
  server.on('connection', (socket: Socket, peer?: Peer) => {
    if (peer === undefined) socket.destroy();
    else connections.add(socket, peer);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  // Nothing that is answered here reads a body, so nobody is invited to send one.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    server.emit('request', request, response);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const peer = connections.onRequest(request.socket, response);
    if (peer === null) return;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    answerTo(parts, request, peer, gone.signal).then(
      (answer) => write(response, answer),
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

/** The open connections, and the patience with each. */
class Connections {
  readonly #clock: Clock;
  readonly #open = new Map<Socket, Connection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(socket: Socket, peer: Peer): void {
    if (this.#open.size >= connectionsMax) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, { peer, cancelTimer: this.#patience(socket) });
    socket.once('close', () => {
      this.#open.get(socket)?.cancelTimer();
      this.#open.delete(socket);
    });
  }

  /** A head has come: its connection may take as long as the answer does. Null when the connection was not taken. */
  onRequest(socket: Socket, response: ServerResponse): Peer | null {
    const connection = this.#open.get(socket);
    if (connection === undefined) return null;
    connection.cancelTimer();
    response.once('finish', () => {
      connection.cancelTimer();
      if (this.#open.has(socket)) connection.cancelTimer = this.#patience(socket);
    });
    return connection.peer;
  }

  #patience(socket: Socket): CancelTimer {
    return this.#clock.after(headWithinMs, () => socket.destroy());
  }
}

function write(response: ServerResponse, { code, type, body }: Answer): void {
  // Whoever asked may be gone.
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

async function answerTo(
  parts: GatewayParts,
  request: IncomingMessage,
  peer: Peer,
  signal: AbortSignal,
): Promise<Answer> {
  if (!isOwnName(request, parts.hostNames)) return text(421, 'this server is known by other names');
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (path !== '/health' && path !== '/version') return text(404, '404 page not found');
  if (request.method !== 'GET') return text(405, 'Method Not Allowed');
  const members = parts.upstream();
  if (path === '/version') return versionAnswer(members.map(({ version }) => version));
  const { authorization } = request.headers;
  const asking: Asking = {
    etcd: parts.etcd(),
    peer,
    metadata: authorization === undefined ? [] : ['authorization', authorization],
    deadlineMs: parts.clock.nowMs() + etcdTimeoutMs,
    signal,
  };
  const hasLeader = members.some(({ state }) => state === 'ready');
  return health(asking, new URLSearchParams(query), hasLeader);
}

/**
 * A page in a browser can make a name of its own point to 127.0.0.1 and then read what this server says (DNS rebinding,
 * CVE-2018-5702). On a loopback address nobody but such a page uses a name that is neither the machine's own nor a
 * configured one. Over TLS the certificate has settled the name, as etcd sees it too.
 */
function isOwnName({ socket, headers }: IncomingMessage, hostNames: readonly string[]): boolean {
  const { host } = headers;
  if ('encrypted' in socket || host === undefined) return true;
  if (!isLoopback(socket.localAddress?.replace(/^::ffff:/, '') ?? '')) return true;
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return isLoopback(name) || hostNames.includes(name);
}
