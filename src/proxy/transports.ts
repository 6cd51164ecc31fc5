/**
 * The two transports by their names in the configuration: both halves of each, made alike. See grpc/transport.ts. Each is
 * loaded when it is chosen, so that a sidecar does not hold in memory the library behind the other one.
 */
import type { Server as HttpServer } from 'node:http';
import type { TransportName } from '../config/schema.ts';
import type { ClientTransport, ServerTransport } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';

/** What both halves of a transport are made with. */
export interface Edge {
  readonly clock: Clock;
  readonly random: Random;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (error: unknown) => void;
  /** Takes the connections that speak HTTP/1.1, where the transport can tell them apart. */
  readonly http1: HttpServer;
}

export interface Transport {
  readonly server: ServerTransport;
  readonly client: ClientTransport;
}

export type MakeTransport = (edge: Edge) => Transport;

const loaders: Readonly<Record<TransportName, () => Promise<MakeTransport>>> = {
  native: async () => {
    const { NativeServerTransport } = await import('../grpc/native/server.ts');
    const { NativeClientTransport } = await import('../grpc/native/client.ts');
    return (edge) => ({
      server: new NativeServerTransport(edge),
      client: new NativeClientTransport(edge),
    });
  },
  'grpc-js': async () => {
    const { GrpcJsServerTransport } = await import('../grpc/grpc-js/server.ts');
    const { GrpcJsClientTransport } = await import('../grpc/grpc-js/client.ts');
    return (edge) => ({
      server: new GrpcJsServerTransport(edge),
      client: new GrpcJsClientTransport(edge),
    });
  },
};

export function loadTransport(name: TransportName): Promise<MakeTransport> {
  return loaders[name]();
}
