/** The two transports by their names in the configuration: both halves of each, made alike. See grpc/transport.ts. */
import type { TransportName } from './config/config.ts';
import { GrpcJsClientTransport } from './grpc/grpc-js-client.ts';
import { GrpcJsServerTransport } from './grpc/grpc-js-server.ts';
import { NativeClientTransport } from './grpc/native-client.ts';
import { NativeServerTransport } from './grpc/native-server.ts';
import type { ClientTransport, ServerTransport } from './grpc/transport.ts';
import type { Clock } from './runtime/clock.ts';
import type { Random } from './runtime/random.ts';

/** What both halves of a transport are made with. */
interface Edge {
  readonly clock: Clock;
  readonly random: Random;
  /** A bug of ours was caught at the edge; its call has ended with Internal. */
  readonly onFault: (error: unknown) => void;
}

interface Transport {
  readonly server: ServerTransport;
  readonly client: ClientTransport;
}

export const transports: Readonly<Record<TransportName, (edge: Edge) => Transport>> = {
  native: (edge) => ({
    server: new NativeServerTransport({ ...edge, http1: null }),
    client: new NativeClientTransport(edge),
  }),
  'grpc-js': (edge) => ({
    server: new GrpcJsServerTransport(edge),
    client: new GrpcJsClientTransport(edge),
  }),
};
