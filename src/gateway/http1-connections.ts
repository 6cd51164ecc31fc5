/**
 * The open HTTP/1.1 connections of the gateway, each with its peer and with a timer while it waits for a request. Node's own
 * timeouts apply only to ports that its server listens on.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { Peer } from '../grpc/transport.ts';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** From the start of the connection, or from the previous response, to the end of a request head. */
export const headTimeoutMs = 5_000;

export interface Http1Connection {
  readonly peer: Peer;
  /** Where its responses count. */
  readonly account: ByteAccount;
}

interface Connection extends Http1Connection {
  cancelTimer: CancelTimer;
}

export class Http1Connections {
  readonly #clock: Clock;
  readonly #memory: MessageMemory;
  readonly #open = new Map<Socket, Connection>();

  constructor(clock: Clock, memory: MessageMemory) {
    this.#clock = clock;
    this.#memory = memory;
  }

  add(socket: Socket, peer: Peer): void {
    const account = this.#memory.connectionAccount(peer);
    this.#open.set(socket, { peer, account, cancelTimer: this.#startTimer(socket) });
    socket.once('close', () => {
      this.#open.get(socket)?.cancelTimer();
      this.#open.delete(socket);
    });
  }

  /** Stops the timer until the response has been sent. Returns null if the connection was not accepted. */
  onRequest(socket: Socket, response: ServerResponse): Http1Connection | null {
    const connection = this.#open.get(socket);
    if (connection === undefined) return null;
    connection.cancelTimer();
    response.once('finish', () => {
      connection.cancelTimer();
      if (this.#open.has(socket)) connection.cancelTimer = this.#startTimer(socket);
    });
    return connection;
  }

  #startTimer(socket: Socket): CancelTimer {
    return this.#clock.after(headTimeoutMs, () => socket.destroy());
  }
}
