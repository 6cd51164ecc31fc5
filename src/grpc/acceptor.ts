/**
 * Accepts connections on TCP or a Unix socket, with or without TLS, and passes each on with its `Peer`. Both server transports
 * use it, so it does not depend on HTTP/2. A connection that has no place within the limits of the process is closed at once.
 * With TLS, a connection is passed on only after the client certificate, if one is required, was verified and read.
 */
import { createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { bind } from './bind.ts';
import type { ClientConnections } from './connections/client-connections.ts';
import type { ConnectionPlace } from './connections/connection-place.ts';
import { peerCertificate } from './peer-certificate.ts';
import { RevocationCheck } from './revocation-check.ts';
import { serverContextOptions, serverTlsOptions } from './tls.ts';
import type { ListenOptions, Peer, PeerCertificate, ServerTls } from './transport.ts';

/** Receives connections whose TLS handshake, if there is one, is complete. */
export type OnConnection = (socket: Socket, peer: Peer, place: ConnectionPlace) => void;

/**
 * Milliseconds without data until TCP probes whether the client still exists. HTTP/2 has PING for that; an HTTP/1.1 client with
 * a watch may send nothing for days.
 */
const keepAliveInitialDelay = 30_000;

export class Acceptor {
  /** `host:port` with the real port, or the socket's path. Empty before `bind` has resolved. */
  address = '';
  /** Called after `stop`, when the last connection has closed; at once if no connection is open. */
  onEmpty: (() => void) | null = null;
  readonly #server: Server;
  /** For handshakes. It does not listen. Null without TLS. */
  readonly #tls: TlsServer | null;
  #revocation: RevocationCheck | null;
  readonly #listener: string;
  readonly #limits: ClientConnections;
  readonly #onConnection: OnConnection;
  readonly #connections = new Map<Socket, ConnectionPlace>();
  #stopped = false;

  private constructor(
    options: ListenOptions,
    limits: ClientConnections,
    onConnection: OnConnection,
  ) {
    const { name, tls } = options;
    this.#listener = name;
    this.#limits = limits;
    this.#onConnection = onConnection;
    const sockets = { noDelay: true, keepAlive: true, keepAliveInitialDelay };
    this.#server = createServer(sockets, (socket) => this.#onAccepted(socket));
    this.#tls = tls === null ? null : tlsServer(tls);
    this.#revocation = tls && RevocationCheck.of(tls);
    this.#tls?.on('secureConnection', (socket: TLSSocket) => {
      this.#onSecure(socket, tls?.clientAuthorities != null);
    });
  }

  /** Rejects with the system's error if the address cannot be bound, and with OpenSSL's error for invalid PEM texts. */
  static async bind(
    options: ListenOptions,
    limits: ClientConnections,
    onConnection: OnConnection,
  ): Promise<Acceptor> {
    const acceptor = new Acceptor(options, limits, onConnection);
    const server = acceptor.#server;
    acceptor.address = await bind(server, options.address);
    // From here on an error means that the process has no file descriptors left. The system has closed the connection.
    server.on('error', () => limits.notAccepted(options.name));
    return acceptor;
  }

  /** Applies to later handshakes. For invalid PEM texts it throws OpenSSL's error and changes nothing. */
  replaceTls(tls: ServerTls): void {
    const revocation = RevocationCheck.of(tls);
    this.#tls?.setSecureContext(serverContextOptions(tls));
    this.#revocation = revocation;
  }

  /** Stops accepting. Open connections stay open, except those in their handshake, which close when it finishes. */
  stop(): void {
    this.#stopped = true;
    this.#server.close();
    this.#reportIfEmpty();
  }

  /** Destroys all connections, those in their handshake included. */
  destroyConnections(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #onAccepted(socket: Socket): void {
    // `close` follows an error. Without a listener the error would end the process.
    socket.on('error', () => {});
    const place = this.#limits.admit(socket, this.#listener);
    if (place === null) return;
    this.#connections.set(socket, place);
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#reportIfEmpty();
    });
    if (this.#tls === null) this.#onConnection(socket, peerOf(place, null), place);
    else this.#tls.emit('connection', socket);
  }

  #onSecure(socket: TLSSocket, hasCertificate: boolean): void {
    socket.on('error', () => {});
    const place = this.#connections.get(acceptedSocketOf(socket));
    // The second case: the handshake finished after `stop`.
    if (place === undefined || this.#stopped) {
      socket.destroy();
      return;
    }
    let certificate: PeerCertificate | null = null;
    try {
      if (this.#revocation?.refuses(socket) === true) {
        this.#limits.revoked(place);
        return;
      }
      const verified = hasCertificate ? socket.getPeerX509Certificate() : undefined;
      if (verified !== undefined) certificate = peerCertificate(verified.raw);
    } catch {
      // The certificate was verified but cannot be read, so the client has no identity.
      socket.destroy();
      return;
    }
    this.#onConnection(socket, peerOf(place, certificate), place);
  }

  #reportIfEmpty(): void {
    if (this.#stopped && this.#connections.size === 0) this.onEmpty?.();
  }
}

function tlsServer(tls: ServerTls): TlsServer {
  return createTlsServer({
    // HTTP/1.1 is for health checks, tools and the JSON gateway. A transport that does not serve it closes the connection.
    ALPNProtocols: ['h2', 'http/1.1'],
    ...serverTlsOptions(tls),
  });
}

/**
 * The socket that was accepted, below the one with TLS. Node has no public name for it. A release without this property would
 * close all connections with TLS, which every TLS test shows.
 */
function acceptedSocketOf(socket: TLSSocket): Socket {
  return (socket as TLSSocket & { readonly _parent: Socket })._parent;
}

function peerOf(place: ConnectionPlace, certificate: PeerCertificate | null): Peer {
  const { listener, remote } = place;
  return { listener, remote, certificate, place };
}
