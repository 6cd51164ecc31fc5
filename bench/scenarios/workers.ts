/** Puts of 256 bytes through one process and through two workers: what more cores bring. */
import type { Scenario } from '../scenario.ts';

const name = 'put 100x10';

export const workers: Scenario = {
  name: 'workers',
  title: 'Puts of 256 B with 1 and 2 workers',
  tls: false,
  excludes: ['grpc-proxy', 'gateway', 'node-gateway', 'haproxy', 'bulkhead-grpc-js'],
  cases: [
    {
      kind: 'load',
      name,
      operation: 'put',
      connections: 100,
      inFlightPerConnection: 10,
      requests: 60_000,
    },
  ],
  bars: [
    {
      what: 'throughput of puts with two workers',
      case: name,
      measure: 'perSecond',
      against: 'bulkhead-native',
      relation: 'at least',
      limit: 1.5,
    },
  ],
};
