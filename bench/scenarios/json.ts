/**
 * Puts of 256 bytes as JSON over HTTP/1.1, compared with the same puts over gRPC and with etcd's own gateway. One request at a time on
 * each connection, which is how HTTP/1.1 clients send them.
 */
import type { LoadCase, Scenario } from '../scenario.ts';

const put = { kind: 'load', operation: 'put', connections: 100, inFlightPerConnection: 1 } as const;

const cases: readonly LoadCase[] = [
  { ...put, name: 'put 100x1', requests: 40_000 },
  { ...put, name: 'JSON put 100x1', requests: 40_000, isJson: true },
  { ...put, name: 'JSON put 1x1', requests: 5_000, isJson: true, connections: 1 },
];

export const json: Scenario = {
  name: 'json',
  title: 'Puts of 256 B as JSON',
  tls: false,
  // They have no JSON gateway, or no HTTP/1.1.
  excludes: [
    'grpc-proxy',
    'grpc-proxy-3.7',
    'node-gateway',
    'haproxy',
    'bulkhead-grpc-js',
    'bulkhead-2-workers',
  ],
  cases,
  bars: [
    {
      what: 'CPU per JSON put, against the gRPC put',
      case: 'JSON put 100x1',
      measure: 'cpuUs',
      relation: 'at most',
      against: { case: 'put 100x1' },
      limit: 3,
    },
  ],
};
