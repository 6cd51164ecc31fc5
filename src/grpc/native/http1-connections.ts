/**
 * The HTTP/1.1 connections of all listeners. Node's HTTP server closes idle connections only on ports that it listens on itself,
 * so this class does it for connections that acceptors passed to the server. Only the native transport serves HTTP/1.1.
 */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionPlace } from '../connections/connection-place.ts';
import type { Peer } from '../transport.ts';

class Http1Connection {
  readonly owner: object;
  requestsInFlight = 0;
  isDraining = false;

  constructor(owner: object) {
    this.owner = owner;
  }
}

export class Http1Connections {
  readonly #server: HttpServer;
  readonly #connections = new Map<Socket, Http1Connection>();

  constructor(server: HttpServer) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#onRequest(request.socket, response);
    });
  }

  /** Closes the connection if there are too many. `peer` is the second argument of the server's `connection` event. `owner` identifies the listener. */
  add(socket: Socket, peer: Peer, place: ConnectionPlace, owner: object): void {
    const connection = new Http1Connection(owner);
    if (!place.openedHttp1(() => connection.requestsInFlight)) return;
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
    this.#server.emit('connection', socket, peer);
  }

  /** Closes the idle connections of `owner` now, and its others after their current response. */
  drain(owner: object): void {
    for (const [socket, connection] of this.#connections) {
      if (connection.owner !== owner) continue;
      connection.isDraining = true;
      if (connection.requestsInFlight === 0) socket.destroySoon();
    }
  }

  #onRequest(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    // A connection that the server accepted itself.
    if (connection === undefined) return;
    connection.requestsInFlight += 1;
    response.once('close', () => {
      connection.requestsInFlight -= 1;
      if (connection.isDraining && connection.requestsInFlight === 0) socket.destroySoon();
    });
  }
}
