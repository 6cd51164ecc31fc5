/**
 * What cached reads cost the calls that pass to etcd: the proxy notes the revision of each response, and evaluates the request
 * of a read. The target without them is `bulkhead-native`, and both are measured in turns.
 */
import type { Bar, LoadCase, Scenario } from '../scenario.ts';

const operations = ['put', 'get'] as const;

function load(operation: 'put' | 'get', connections: number, inFlight: number): LoadCase {
  return {
    kind: 'load',
    name: `${operation} ${connections}x${inFlight}`,
    operation,
    connections,
    inFlightPerConnection: inFlight,
    requests: connections === 1 ? 8_000 : 60_000,
  };
}

const wide = operations.map((operation) => load(operation, 100, 10));
const single = operations.map((operation) => load(operation, 1, 1));

/** Not slower: differences below 5 % are noise. */
function barOf({ name }: LoadCase, measure: 'cpuUs' | 'p50Us'): Bar {
  const what = measure === 'cpuUs' ? 'CPU of a call that passes' : 'p50 of a call that passes';
  return {
    ...{ what, case: name, measure, relation: 'at most' },
    ...{ against: 'bulkhead-native', limit: 1.05 },
  };
}

export const cachedCalls: Scenario = {
  name: 'cached-calls',
  title: 'Puts of 256 B and reads of one key, with and without cached reads',
  tls: false,
  excludes: ['grpc-proxy', 'gateway', 'node-gateway', 'haproxy', 'bulkhead-grpc-js'],
  cases: [...wide, ...single],
  bars: [
    ...wide.map((each) => barOf(each, 'cpuUs')),
    ...single.map((each) => barOf(each, 'cpuUs')),
    ...single.map((each) => barOf(each, 'p50Us')),
  ],
};
