/**
 * HTTP/1.1 on the client port. The server does not listen on a port. The listener passes it connections, each with its peer as
 * the second argument of the event, and limits their number.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { Peer } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { nodeHttp } from '../runtime/node-http.ts';
import type { HttpGateway } from './http-gateway.ts';
import { Http1Connections, headTimeoutMs } from './http1-connections.ts';
import { Http1Exchange } from './http1-exchange.ts';

export interface Http1ServerParts {
  readonly clock: Clock;
  readonly memory: MessageMemory;
  readonly onFault: (fault: unknown) => void;
}

const headBytesMax = 16 * 1024;

/** Returns a server that does not listen. It serves the connections of its `connection` event: `(socket, peer)`. */
export function http1Server(
  gateway: HttpGateway,
  { clock, memory, onFault }: Http1ServerParts,
): Server {
  const server = nodeHttp().createServer({
    maxHeaderSize: headBytesMax,
    keepAliveTimeout: headTimeoutMs,
  });
  const connections = new Http1Connections(clock, memory);
  server.on('connection', (socket: Socket, peer?: Peer) => {
    if (peer === undefined) socket.destroy();
    else connections.add(socket, peer);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    connections.onRequest(request, response, (connection) => {
      gateway.serve(new Http1Exchange(request, response, connection, onFault));
    });
  });
  return server;
}
