/**
 * Puts of 256 bytes and reads of one key, the most common calls of etcd clients. Two levels of concurrency for the cost per
 * request, and one call at a time for the added latency.
 */
import type { Bar, LoadCase, Scenario } from '../scenario.ts';

const operations = ['put', 'get'] as const;

function load(connections: number, inFlightPerConnection: number, requests: number): LoadCase[] {
  return operations.map((operation) => ({
    kind: 'load',
    name: `${operation} ${connections}x${inFlightPerConnection}`,
    operation,
    connections,
    inFlightPerConnection,
    requests,
  }));
}

function barsOf(operation: 'put' | 'get'): Bar[] {
  const wide = `${operation} 100x10`;
  const cpu = { what: `CPU per ${operation}`, measure: 'cpuUs', relation: 'at most' } as const;
  const throughput = {
    what: `throughput of ${operation}s`,
    case: wide,
    measure: 'perSecond',
    relation: 'at least',
  } as const;
  const latency = {
    what: `latency added to a ${operation}, p50`,
    case: `${operation} 1x1`,
    measure: 'addedP50Us',
    relation: 'at most',
  } as const;
  return [
    { ...cpu, case: wide, against: 'grpc-proxy', limit: 0.25 },
    { ...cpu, case: wide, against: 'haproxy', limit: 0.8 },
    // What the limits cost, if the target is measured. It counts calls too, but has no rates.
    { ...cpu, case: wide, against: 'bulkhead-unlimited', limit: 1.03 },
    { ...cpu, case: `${operation} 10x10`, against: 'grpc-proxy', limit: 0.25 },
    { ...throughput, against: 'grpc-proxy', limit: 1.5 },
    { ...throughput, against: 'etcd', limit: 0.85 },
    { ...latency, against: 'grpc-proxy', limit: 0.75 },
    { ...latency, against: 'gateway', limit: 1.3 },
  ];
}

export const unary: Scenario = {
  name: 'unary',
  title: 'Puts of 256 B and reads of one key',
  tls: false,
  excludes: ['bulkhead-2-workers'],
  cases: [...load(100, 10, 60_000), ...load(10, 10, 30_000), ...load(1, 1, 8_000)],
  bars: operations.flatMap(barsOf),
};
