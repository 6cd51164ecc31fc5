/** The native transport against the contract of the seam: with itself, and either half with grpc-js as the other. */
import { GrpcJsClientTransport } from '../../../src/grpc/grpc-js/client.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { NativeClientTransport } from '../../../src/grpc/native/client.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { type TransportPair, transportSuite } from '../../support/transport-suite.ts';

function pair(serverIsNative: boolean, clientIsNative: boolean): TransportPair {
  const faults: unknown[] = [];
  const options = {
    clock: systemClock,
    random: systemRandom,
    onFault: (fault: unknown) => faults.push(fault),
    http1: null,
  };
  return {
    server: serverIsNative
      ? new NativeServerTransport(options)
      : new GrpcJsServerTransport(options),
    client: clientIsNative
      ? new NativeClientTransport(options)
      : new GrpcJsClientTransport(options),
    faults,
  };
}

transportSuite('native', () => pair(true, true));
transportSuite('native server, grpc-js client', () => pair(true, false), {
  dropsMessagesBeforeFailure: true,
});
transportSuite('grpc-js server, native client', () => pair(false, true), {
  resetsStreamsOverLimit: true,
  serverEnforcesDeadlines: true,
});
