/**
 * Where and how grpc-js dials: its name for an address, its credentials, and a bound on how long a handshake may take,
 * which the library lacks: a peer that accepts a connection and then says nothing would keep it `connecting` for ever.
 */

import type { Socket } from 'node:net';
import { ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { hostPort } from './acceptor.ts';
import type { ClientTls, SocketAddress } from './transport.ts';

export function grpcTarget(address: SocketAddress): string {
  return 'path' in address ? `unix:${address.path}` : `dns:${hostPort(address.host, address.port)}`;
}

/** Options that a name to verify needs; the same name is sent as authority. */
export function serverNameOptions(tls: ClientTls | null): ChannelOptions {
  if (tls === null || tls.serverName === null) return {};
  return {
    'grpc.ssl_target_name_override': tls.serverName,
    'grpc.default_authority': tls.serverName,
  };
}

/** Throws when a certificate, a key or the authorities cannot be parsed. */
export function grpcCredentials(tls: ClientTls | null): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  return credentials.createSsl(tls.authorities, tls.key, tls.certificate, {
    rejectUnauthorized: !tls.skipVerification,
  });
}

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/**
 * Credentials that cut a connection off whose handshakes (TLS and the first HTTP/2 settings) take too long. Made by
 * deriving from the library's class, since that sees every socket; for one channel only.
 */
export class ImpatientCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #clock: Clock;
  readonly #handshakeMsMax: number;
  #cancelTimer: CancelTimer = () => {};

  constructor(inner: ChannelCredentials, clock: Clock, handshakeMsMax: number) {
    super();
    this.#inner = inner;
    this.#clock = clock;
    this.#handshakeMsMax = handshakeMsMax;
  }

  /** The channel is ready, or closed: no handshake is under way. */
  stopTimer(): void {
    this.#cancelTimer();
  }

  _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  _createSecureConnector(
    ...target: Parameters<ChannelCredentials['_createSecureConnector']>
  ): Connector {
    const connector = this.#inner._createSecureConnector(...target);
    return {
      connect: (socket) => {
        this.#startTimer(socket);
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => {
        this.#cancelTimer();
        connector.destroy();
      },
    };
  }

  #startTimer(socket: Socket): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(this.#handshakeMsMax, () => {
      socket.destroy(new Error(`no HTTP/2 settings within ${this.#handshakeMsMax} ms`));
    });
  }
}
