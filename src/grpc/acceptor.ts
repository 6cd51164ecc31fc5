/**
 * A bound address that hands out connections, each with its Peer: TCP or a Unix socket, in the clear or after a TLS
 * handshake. It knows nothing of HTTP/2, so both server transports stand on it. Guarantee: a connection under TLS is
 * handed out only after its certificate was verified and read.
 */
import { chmodSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  Server as TlsServer,
} from 'node:tls';
import { peerCertificate } from './peer-certificate.ts';
import type {
  ListenOptions,
  Peer,
  PeerCertificate,
  ServerTls,
  SocketAddress,
} from './transport.ts';

export type OnConnection = (socket: Socket, peer: Peer) => void;

/** Owner and group: who may open the socket is decided by its directory and its group. */
const socketMode = 0o660;

export class Acceptor {
  /** `host:port` with the real port, or the socket's path. */
  readonly address: string;
  /** Called when the last connection has gone after `stop`, at once if there is none. */
  onEmpty: (() => void) | null = null;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #stopped = false;

  private constructor(server: Server, address: SocketAddress) {
    this.#server = server;
    this.address = boundAddress(server, address);
    server.on('connection', (socket: Socket) => this.#track(socket));
    // A connection that could not be accepted, for want of file descriptors say: its client sees it, and tries again.
    server.on('error', () => {});
  }

  /** Rejects with the system's error when the address cannot be bound, and with OpenSSL's for unusable PEM texts. */
  static async bind(options: ListenOptions, onConnection: OnConnection): Promise<Acceptor> {
    const server =
      options.tls === null ? plainServer(options, onConnection) : tlsServer(options, onConnection);
    await listen(server, options.address);
    return new Acceptor(server, options.address);
  }

  /** For the handshakes that follow. Throws OpenSSL's error, and the old one stays, for unusable PEM texts. */
  replaceTls(tls: ServerTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(secureContext(tls));
  }

  /** Accepts no more. Connections that exist live on. */
  stop(): void {
    this.#stopped = true;
    this.#server.close();
    this.#reportIfEmpty();
  }

  /** Cuts off every connection, also those still in their handshake. */
  destroyConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    // Errors are followed by `close`; without a listener they would end the process.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#reportIfEmpty();
    });
  }

  #reportIfEmpty(): void {
    if (this.#stopped && this.#connections.size === 0) this.onEmpty?.();
  }
}

function plainServer(options: ListenOptions, onConnection: OnConnection): Server {
  return createServer({ noDelay: true }, (socket) => {
    onConnection(socket, peerOf(options.name, socket, null));
  });
}

function tlsServer(options: ListenOptions, onConnection: OnConnection): Server {
  const authorities = options.tls?.clientAuthorities ?? null;
  const server = createTlsServer({
    noDelay: true,
    // HTTP/1.1 is there for health checks and tools; a transport that does not serve it cuts such a connection off.
    ALPNProtocols: ['h2', 'http/1.1'],
    ...(options.tls === null ? {} : secureContext(options.tls)),
    ...(authorities === null ? {} : { requestCert: true, rejectUnauthorized: true }),
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => {});
    let certificate: PeerCertificate | null = null;
    try {
      const verified = authorities === null ? undefined : socket.getPeerX509Certificate();
      if (verified !== undefined) certificate = peerCertificate(verified.raw);
    } catch {
      // Verified, yet not to be understood: nobody we could name, so nobody we serve.
      socket.destroy();
      return;
    }
    onConnection(socket, peerOf(options.name, socket, certificate));
  });
  return server;
}

function secureContext({ certificate, key, clientAuthorities }: ServerTls): SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    cert: certificate,
    key,
    ...(clientAuthorities === null ? {} : { ca: clientAuthorities }),
  };
}

function peerOf(listener: string, socket: Socket, certificate: PeerCertificate | null): Peer {
  const { remoteAddress, remotePort } = socket;
  const remote = remoteAddress === undefined ? '' : hostPort(remoteAddress, remotePort ?? 0);
  return { listener, remote, certificate };
}

async function listen(server: Server, address: SocketAddress): Promise<void> {
  try {
    await tryListen(server, address);
  } catch (error) {
    if (!('path' in address) || !(await isAbandoned(error, address.path))) throw error;
    unlinkSync(address.path);
    await tryListen(server, address);
  }
  if ('path' in address) chmodSync(address.path, socketMode);
}

function tryListen(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether the path is the socket of a process that was killed: taken, but nobody answers. */
function isAbandoned(error: unknown, path: string): Promise<boolean> {
  if (!hasCode(error, 'EADDRINUSE')) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', (refused) => resolve(hasCode(refused, 'ECONNREFUSED')));
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function boundAddress(server: Server, asked: SocketAddress): string {
  if ('path' in asked) return asked.path;
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? hostPort(bound.address, bound.port) : '';
}

/** `host:port`, with brackets around an IPv6 address. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
