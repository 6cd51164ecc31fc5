/**
 * More puts and gets in flight than etcd or a proxy can process at a time, beside the number with which throughput is highest.
 * What waits must not cost more than what is served. From 5,000 puts in flight on etcd rejects some of them.
 */
import type { Bar, LoadCase, Scenario } from '../scenario.ts';

const operations = ['put', 'get'] as const;

function load(operation: 'put' | 'get', inFlightPerConnection: number): LoadCase {
  return {
    kind: 'load',
    name: `${operation} 100x${inFlightPerConnection}`,
    operation,
    connections: 100,
    inFlightPerConnection,
    requests: 100_000,
  };
}

function barsOf(operation: 'put' | 'get'): Bar[] {
  const subject = {
    what: `throughput of ${operation}s`,
    case: `${operation} 100x40`,
    measure: 'perSecond',
    relation: 'at least',
  } as const;
  return [
    { ...subject, against: 'etcd', limit: 0.85 },
    { ...subject, against: 'grpc-proxy', limit: 1.5 },
  ];
}

export const overload: Scenario = {
  name: 'overload',
  title: '1,000 and 4,000 calls in flight',
  tls: false,
  excludes: ['bulkhead-2-workers'],
  cases: operations.flatMap((operation) => [load(operation, 10), load(operation, 40)]),
  bars: operations.flatMap(barsOf),
};
