/**
 * A bound address that hands out connections, each with its Peer: TCP or a Unix socket, in the clear or after a TLS
 * handshake. It knows nothing of HTTP/2, so both server transports stand on it. Guarantee: a connection under TLS is
 * handed out only after its certificate was verified and read.
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
  /** Called when the last connection has gone after `stop`, at once if there is none. */
  onEmpty: (() => void) | null = null;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #stopped = false;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
    server.on('connection', (socket: Socket) => this.#track(socket));
    // A connection that could not be accepted, for want of file descriptors say: its client sees it, and tries again.
    server.on('error', () => {});
  }

  /** Rejects with the system's error when the address cannot be bound, and with OpenSSL's for unusable PEM texts. */
  static async bind(options: ListenOptions, onConnection: OnConnection): Promise<Acceptor> {
    const server =
      options.tls === null ? plainServer(options, onConnection) : tlsServer(options, onConnection);
    return new Acceptor(server, await bind(server, options.address));
  }

  /** For the handshakes that follow. Throws OpenSSL's error, and the old one stays, for unusable PEM texts. */
  replaceTls(tls: ServerTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(serverContextOptions(tls));
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
    ...(options.tls === null ? {} : serverContextOptions(options.tls)),
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

function peerOf(listener: string, socket: Socket, certificate: PeerCertificate | null): Peer {
  const { remoteAddress, remotePort } = socket;
  const remote = remoteAddress === undefined ? '' : hostPort(remoteAddress, remotePort ?? 0);
  return { listener, remote, certificate };
}
