/**
 * The open HTTP/1.1 connections of the gateway, each with its peer and with a timer while it waits for a request. Node's own
 * timeouts apply only to ports that its server listens on.
 *
 * Node reports a request while the response to the previous one is incomplete. Such a pipelined request waits, because it may
 * depend on the previous one (RFC 9112, section 9.3.2). Go's server does the same.
 *
 *   idle ─request→ serving ─response complete→ serving the next one, or idle;   any ─timeout, disconnected→ closed
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { Peer } from '../grpc/transport.ts';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** From the start of the connection, or from the previous response, to the end of a request head. */
export const headTimeoutMs = 5_000;

/** Pipelined requests of a connection that wait. One more closes the connection. */
const waitingRequestsMax = 32;

export interface Http1Connection {
  readonly peer: Peer;
  /** Where its responses count. */
  readonly account: ByteAccount;
}

/** Starts to serve a request. */
type Serve = (connection: Http1Connection) => void;

interface Waiting {
  readonly response: ServerResponse;
  readonly serve: Serve;
}

interface Connection extends Http1Connection {
  cancelTimer: CancelTimer;
  isServing: boolean;
  readonly waiting: Waiting[];
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
    const cancelTimer = this.#startTimer(socket);
    this.#open.set(socket, { peer, account, cancelTimer, isServing: false, waiting: [] });
    socket.once('close', () => {
      this.#open.get(socket)?.cancelTimer();
      this.#open.delete(socket);
    });
  }

  /** Calls `serve` when the previous response is complete, unless the connection closes before. */
  onRequest({ socket }: IncomingMessage, response: ServerResponse, serve: Serve): void {
    const connection = this.#open.get(socket);
    if (connection === undefined || socket.destroyed) return;
    if (!connection.isServing) this.#serve(socket, connection, { response, serve });
    else if (connection.waiting.length < waitingRequestsMax) {
      connection.waiting.push({ response, serve });
    } else {
      connection.peer.place?.pipelined();
      socket.destroy();
    }
  }

  /** Without a timer until the response is complete. */
  #serve(socket: Socket, connection: Connection, { response, serve }: Waiting): void {
    connection.cancelTimer();
    connection.isServing = true;
    response.once('close', () => this.#onResponded(socket, connection));
    serve(connection);
  }

  #onResponded(socket: Socket, connection: Connection): void {
    connection.isServing = false;
    if (!this.#open.has(socket)) return;
    // The client or the response may have ended the connection.
    const next = socket.writable ? connection.waiting.shift() : undefined;
    if (next === undefined) connection.cancelTimer = this.#startTimer(socket);
    else this.#serve(socket, connection, next);
  }

  #startTimer(socket: Socket): CancelTimer {
    return this.#clock.after(headTimeoutMs, () => socket.destroy());
  }
}
