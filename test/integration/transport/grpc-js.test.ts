/** The grpc-js transport, both halves, against the contract of the seam. */
import { GrpcJsClientTransport } from '../../../src/grpc/grpc-js/client.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import type { TransportOptions } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { transportSuite } from '../../support/transport-suite.ts';

transportSuite(
  'grpc-js',
  () => {
    const faults: unknown[] = [];
    const options: TransportOptions = {
      clock: systemClock,
      onFault: (fault) => faults.push(fault),
    };
    return {
      server: new GrpcJsServerTransport(options),
      client: new GrpcJsClientTransport(options),
      faults,
    };
  },
  { dropsMessagesBeforeFailure: true, resetsStreamsOverLimit: true },
);
