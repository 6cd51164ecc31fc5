/**
 * The listener of both transports. The acceptor owns the sockets; the transport owns the HTTP/2 connections on them.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Acceptor } from './acceptor.ts';
import type { Listener, ServerTls } from './transport.ts';

/** The HTTP/2 connections of one listener, implemented by each transport. */
export interface ListenerConnections {
  readonly openCalls: number;
  /** Sends GOAWAY on every connection. Each connection closes after its last call. */
  drain(): void;
}

export class TransportListener implements Listener {
  readonly address: string;
  readonly #acceptor: Acceptor;
  readonly #connections: ListenerConnections;
  readonly #clock: Clock;

  constructor(acceptor: Acceptor, connections: ListenerConnections, clock: Clock) {
    this.address = acceptor.address;
    this.#acceptor = acceptor;
    this.#connections = connections;
    this.#clock = clock;
  }

  replaceTls(tls: ServerTls): void {
    this.#acceptor.replaceTls(tls);
  }

  drain(withinMs: number): Promise<number> {
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.after(withinMs, () => {
        this.#acceptor.onEmpty = null;
        resolve(this.#connections.openCalls);
        this.#acceptor.destroyConnections();
      });
      this.#acceptor.onEmpty = () => {
        cancelTimer();
        resolve(0);
      };
      this.#connections.drain();
      this.#acceptor.stop();
    });
  }
}
