/**
 * The transports by their names in the configuration. A transport is imported only if it is configured, so that a sidecar does
 * not hold the library of the other one in memory.
 */
import type { Server as HttpServer } from 'node:http';
import type { TransportName } from '../config/settings/operation.ts';
import type { ClientConnections } from '../grpc/connections/client-connections.ts';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { PlainRequestHandler } from '../grpc/native/plain-request.ts';
import type { ClientTransport, ServerTransport } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';

export interface TransportDependencies {
  readonly clock: Clock;
  readonly random: Random;
  /** Receives exceptions that a transport has caught. The call has ended with Internal. */
  readonly onFault: (error: unknown) => void;
  /** Bounds large messages. `grpc-js` does not use it. */
  readonly memory: MessageMemory;
}

export interface ServerDependencies extends TransportDependencies {
  /** The connections of all listeners, with their limits. */
  readonly connections: ClientConnections;
  /** Receives HTTP/1.1 connections, if the transport can detect them. */
  readonly http1: HttpServer;
  /** Takes HTTP/2 requests that are not gRPC, if the transport can pass them on. */
  readonly onPlainRequest: PlainRequestHandler;
}

type MakeClient = (dependencies: TransportDependencies) => ClientTransport;
type MakeServer = (dependencies: ServerDependencies) => ServerTransport;

export interface Transport {
  readonly makeClient: MakeClient;
  readonly makeServer: MakeServer;
}

interface Loaders {
  readonly client: () => Promise<MakeClient>;
  readonly server: () => Promise<MakeServer>;
}

const loaders: Readonly<Record<TransportName, Loaders>> = {
  native: {
    client: async () => {
      const { NativeClientTransport } = await import('../grpc/native/client.ts');
      return (dependencies) => new NativeClientTransport(dependencies);
    },
    server: async () => {
      const { NativeServerTransport } = await import('../grpc/native/server.ts');
      return (dependencies) => new NativeServerTransport(dependencies);
    },
  },
  'grpc-js': {
    client: async () => {
      const { GrpcJsClientTransport } = await import('../grpc/grpc-js/client.ts');
      return (dependencies) => new GrpcJsClientTransport(dependencies);
    },
    server: async () => {
      const { GrpcJsServerTransport } = await import('../grpc/grpc-js/server.ts');
      return (dependencies) => new GrpcJsServerTransport(dependencies);
    },
  },
};

export async function loadTransport(name: TransportName): Promise<Transport> {
  const { client, server } = loaders[name];
  return { makeServer: await server(), makeClient: await client() };
}

/** For commands that serve no clients. */
export function loadClientTransport(name: TransportName): Promise<MakeClient> {
  return loaders[name].client();
}
