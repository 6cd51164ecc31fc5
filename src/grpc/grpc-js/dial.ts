/**
 * How grpc-js dials: the target string for an address, TLS, and a timeout for handshakes. The library has no such timeout, so a
 * peer that accepts a connection and sends nothing would keep it connecting indefinitely. The class extends the library's
 * credentials, the only extension point that receives every socket. Methods that begin with an underscore are the library's.
 */
import type { Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { handshakeMsMax, handshakeTimeoutText } from '../connection-policy.ts';
import { hostPort } from '../host-port.ts';
import { clientContext, expectedServerName, sniName } from '../tls.ts';
import type { ClientTls, DialOptions, SocketAddress } from '../transport.ts';

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Connected = Awaited<ReturnType<Connector['connect']>>;

export function grpcTarget(address: SocketAddress): string {
  return 'path' in address ? `unix:${address.path}` : `dns:${hostPort(address.host, address.port)}`;
}

/** The credentials of one channel. They must not be shared, because they time one handshake at a time. */
export class DialCredentials extends ChannelCredentials {
  readonly #clock: Clock;
  readonly #dial: DialOptions;
  /** The settings that `#context` was created from. The owner of the options may replace them. */
  #tls: ClientTls | null = null;
  #context: SecureContext | null = null;
  readonly #serverName: string;
  #cancelTimer: CancelTimer = () => {};

  /** Throws if a certificate or the key cannot be parsed. */
  constructor(dial: DialOptions, clock: Clock) {
    super();
    this.#clock = clock;
    this.#dial = dial;
    this.#readTls();
    this.#serverName = expectedServerName(dial.address, dial.tls);
  }

  /** Called when the channel is ready or closed, so that no handshake is in progress. */
  stopTimer(): void {
    this.#cancelTimer();
  }

  _isSecure(): boolean {
    return this.#dial.tls !== null;
  }

  _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  _createSecureConnector(): Connector {
    const callCredentials = credentials.createEmpty();
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => this.stopTimer(),
    };
  }

  #readTls(): void {
    const { tls } = this.#dial;
    if (tls === null || tls === this.#tls) return;
    this.#context = clientContext(tls);
    this.#tls = tls;
  }

  #connect(socket: Socket): Promise<Connected> {
    this.#readTls();
    return new Promise((resolve, reject) => {
      this.#cancelTimer();
      this.#cancelTimer = this.#clock.after(handshakeMsMax, () => {
        const timeout = new Error(handshakeTimeoutText);
        reject(timeout);
        socket.destroy(timeout);
      });
      if (this.#context === null) {
        resolve({ socket, secure: false });
        return;
      }
      const secured = connectTls({
        socket,
        secureContext: this.#context,
        host: this.#serverName,
        servername: sniName(this.#serverName),
        ALPNProtocols: ['h2'],
        rejectUnauthorized: this.#tls?.skipVerification !== true,
      });
      secured.once('secureConnect', () => resolve({ socket: secured, secure: true }));
      secured.on('error', reject);
      secured.once('close', () => reject(new Error('closed during the TLS handshake')));
    });
  }
}
