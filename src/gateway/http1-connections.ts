/**
 * The open HTTP/1.1 connections of the gateway, each with its peer and with a timer while it waits for a request. Node's own
 * timeouts apply only to ports that its server listens on.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../grpc/transport.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** From the start of the connection, or from the previous response, to the end of a request head. */
export const headTimeoutMs = 5_000;

interface Connection {
  readonly peer: Peer;
  cancelTimer: CancelTimer;
}

export class Http1Connections {
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
