/** Limits of client connections, by default more than a test needs. */
import {
  ClientConnections,
  type ClientConnectionsOptions,
} from '../../src/grpc/connections/client-connections.ts';
import { systemClock } from '../../src/runtime/clock.ts';

export function connectionsOf(options: Partial<ClientConnectionsOptions> = {}): ClientConnections {
  return new ClientConnections({
    connectionsMax: 10_000,
    clock: systemClock,
    onLimit: () => {},
    ...options,
  });
}
