/**
 * Accepts connections on TCP or a Unix socket, with or without TLS, and passes each on with its `Peer`. Both server transports
 * use it, so it does not depend on HTTP/2. With TLS, a connection is passed on only after the client certificate, if one is
 * required, was verified and read.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, Server as TlsServer } from 'node:tls';
import { bind } from './bind.ts';
import { hostPort } from './host-port.ts';
import { peerCertificate } from './peer-certificate.ts';
import { serverContextOptions } from './tls.ts';
import type { ListenOptions, Peer, PeerCertificate, ServerTls } from './transport.ts';

export type OnConnection = (socket: Socket, peer: Peer) => void;

export class Acceptor {
  /** `host:port` with the real port, or the socket's path. */
  readonly address: string;
  /** Called after `stop`, when the last connection has closed; at once if there is none. */
  onEmpty: (() => void) | null = null;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #stopped = false;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
    server.on('connection', (socket: Socket) => this.#track(socket));
    // A connection could not be accepted, for example because the process has no file descriptors left. The client retries.
    server.on('error', () => {});
  }

  /** Rejects with the system's error if the address cannot be bound, and with OpenSSL's error for invalid PEM texts. */
  static async bind(options: ListenOptions, onConnection: OnConnection): Promise<Acceptor> {
    const server =
      options.tls === null ? plainServer(options, onConnection) : tlsServer(options, onConnection);
    return new Acceptor(server, await bind(server, options.address));
  }

  /** Applies to later handshakes. For invalid PEM texts it throws OpenSSL's error and changes nothing. */
  replaceTls(tls: ServerTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(serverContextOptions(tls));
  }

  /** Stops accepting. Open connections stay open, except those in their handshake, which close when it finishes. */
  stop(): void {
    this.#stopped = true;
    this.#server.close();
    this.#reportIfEmpty();
  }

  /** Destroys all connections, those in their handshake included. */
  destroyConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    // `close` follows an error. Without a listener the error would end the process.
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
    // HTTP/1.1 is for health checks, tools and the JSON gateway. A transport that does not serve it closes the connection.
    ALPNProtocols: ['h2', 'http/1.1'],
    ...(options.tls === null ? {} : serverContextOptions(options.tls)),
    ...(authorities === null ? {} : { requestCert: true, rejectUnauthorized: true }),
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => {});
    if (!server.listening) {
      // The handshake finished after `stop`.
      socket.destroy();
      return;
    }
    let certificate: PeerCertificate | null = null;
    try {
      const verified = authorities === null ? undefined : socket.getPeerX509Certificate();
      if (verified !== undefined) certificate = peerCertificate(verified.raw);
    } catch {
      // The certificate was verified but cannot be read, so the client has no identity.
      socket.destroy();
      return;
    }
    onConnection(socket, peerOf(options.name, socket, certificate));
  });
  return server;
}

function peerOf(listener: string, socket: Socket, certificate: PeerCertificate | null): Peer {
  const { remoteAddress, remotePort } = socket;
  const remote = remoteAddress === undefined ? '' : hostPort(remoteAddress, remotePort ?? 0);
  return { listener, remote, certificate };
}
