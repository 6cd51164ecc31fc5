/**
 * The HTTP/1.1 connections of one listener, from their hand-over to their end. Node's server counts idle connections
 * only of ports that it listens on itself, so this does it for those that it was given.
 */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../transport.ts';

export class Http1Connections {
  readonly #server: HttpServer;
  /** How many requests each connection is answering. */
  readonly #busy = new Map<Socket, number>();
  #isDraining = false;

  constructor(server: HttpServer) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request.socket, response);
    });
  }

  /** The server's `connection` event gets `peer` as its second argument. */
  add(socket: Socket, peer: Peer): void {
    this.#busy.set(socket, 0);
    socket.once('close', () => this.#busy.delete(socket));
    this.#server.emit('connection', socket, peer);
  }

  /** Idle connections end now, the others with the answer that they are at. */
  drain(): void {
    this.#isDraining = true;
    for (const [socket, requests] of this.#busy) {
      if (requests === 0) socket.destroySoon();
    }
  }

  #onRequest(socket: Socket, response: ServerResponse): void {
    const requests = this.#busy.get(socket);
    // Another listener's connection, handed to the same server.
    if (requests === undefined) return;
    this.#busy.set(socket, requests + 1);
    response.once('close', () => {
      const left = (this.#busy.get(socket) ?? 0) - 1;
      // The connection may have ended before its answer.
      if (left < 0) return;
      this.#busy.set(socket, left);
      if (this.#isDraining && left === 0) socket.destroySoon();
    });
  }
}
