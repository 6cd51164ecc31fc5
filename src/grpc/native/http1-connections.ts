/**
 * The HTTP/1.1 connections of one listener. Node's HTTP server closes idle connections only on ports that it listens on itself,
 * so this class does it for connections that the acceptor passed to the server. Only the native transport serves HTTP/1.1.
 */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Peer } from '../transport.ts';

export class Http1Connections {
  readonly #server: HttpServer;
  /** Requests in flight per connection. */
  readonly #inFlight = new Map<Socket, number>();
  #isDraining = false;

  constructor(server: HttpServer) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request.socket, response);
    });
  }

  /** `peer` is the second argument of the server's `connection` event. */
  add(socket: Socket, peer: Peer): void {
    this.#inFlight.set(socket, 0);
    socket.once('close', () => this.#inFlight.delete(socket));
    this.#server.emit('connection', socket, peer);
  }

  /** Closes idle connections now, and the others after their current response. */
  drain(): void {
    this.#isDraining = true;
    for (const [socket, requests] of this.#inFlight) {
      if (requests === 0) socket.destroySoon();
    }
  }

  #onRequest(socket: Socket, response: ServerResponse): void {
    const requests = this.#inFlight.get(socket);
    // A connection of another listener with the same server.
    if (requests === undefined) return;
    this.#inFlight.set(socket, requests + 1);
    response.once('close', () => {
      const remaining = (this.#inFlight.get(socket) ?? 0) - 1;
      // The connection may have closed before its response.
      if (remaining < 0) return;
      this.#inFlight.set(socket, remaining);
      if (this.#isDraining && remaining === 0) socket.destroySoon();
    });
  }
}
