/**
 * A server and a client that implement the contract of src/grpc/transport.ts. The transport suites run against every pair:
 * each transport with itself, and each half with the other transport.
 */

import { GrpcJsClientTransport } from '../../../src/grpc/grpc-js/client.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { NativeClientTransport } from '../../../src/grpc/native/client.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import type { ClientTransport, ServerTransport } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { memoryOf } from '../../support/message-memory.ts';

export interface TransportPair {
  readonly server: ServerTransport;
  readonly client: ClientTransport;
  /** Faults that the pair has reported. A test that expects one removes it. */
  readonly faults: unknown[];
}

/** What a pair is known not to do. The reason is explained in the transport. */
export interface Deviations {
  /** Messages that wait for a paused caller are dropped when a failing status arrives. */
  readonly dropsMessagesBeforeFailure?: true;
  /** A stream over the limit is reset with ENHANCE_YOUR_CALM, so its caller cannot know that it was not started. */
  readonly resetsStreamsOverLimit?: true;
  /** The server enforces deadlines as well, possibly before the client does. */
  readonly serverEnforcesDeadlines?: true;
  /** A connection that has carried a response is reopened without a pause, however often. The library has no setting for it. */
  readonly reopensWithoutPause?: true;
}

export interface PairKind {
  readonly name: string;
  readonly deviations: Deviations;
  make(): TransportPair;
}

type Transport = 'native' | 'grpc-js';

function pairOf(server: Transport, client: Transport, deviations: Deviations = {}): PairKind {
  const name = server === client ? server : `${server} server, ${client} client`;
  const make = () => {
    const faults: unknown[] = [];
    const onFault = (fault: unknown) => faults.push(fault);
    const options = {
      clock: systemClock,
      random: systemRandom,
      onFault,
      http1: null,
      memory: memoryOf(),
      connections: connectionsOf(),
    };
    return {
      server:
        server === 'native'
          ? new NativeServerTransport(options)
          : new GrpcJsServerTransport(options),
      client:
        client === 'native'
          ? new NativeClientTransport(options)
          : new GrpcJsClientTransport(options),
      faults,
    };
  };
  return { name, deviations, make };
}

export const native = pairOf('native', 'native');

export const grpcJs = pairOf('grpc-js', 'grpc-js', {
  dropsMessagesBeforeFailure: true,
  resetsStreamsOverLimit: true,
  serverEnforcesDeadlines: true,
  reopensWithoutPause: true,
});

export const transportPairs: readonly PairKind[] = [
  native,
  grpcJs,
  pairOf('native', 'grpc-js', { dropsMessagesBeforeFailure: true, reopensWithoutPause: true }),
  pairOf('grpc-js', 'native', { resetsStreamsOverLimit: true, serverEnforcesDeadlines: true }),
];
