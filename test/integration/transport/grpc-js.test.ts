/** The grpc-js transport, both halves, against the contract of the seam. */
import {
  type GrpcJsClientOptions,
  GrpcJsClientTransport,
} from '../../../src/grpc/grpc-js/client.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { transportSuite } from '../../support/transport-suite.ts';

transportSuite(
  'grpc-js',
  () => {
    const faults: unknown[] = [];
    const options: GrpcJsClientOptions = {
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
