/**
 * What observing calls costs: the advice, which is on by default, and with it the access log. The target without both is
 * `bulkhead-unobserved`, and all are measured in turns.
 */
import type { Bar, LoadCase, Scenario } from '../scenario.ts';

function load(operation: 'put' | 'get', connections: number): LoadCase {
  return {
    kind: 'load',
    name: `${operation} ${connections}x10`,
    operation,
    connections,
    inFlightPerConnection: 10,
    requests: 60_000,
  };
}

const cases = [load('put', 100), load('get', 100)];

/** For each target, `bulkhead-native` and `bulkhead-logged`. */
function barOf({ name }: LoadCase): Bar {
  const what = 'CPU with advice (native ≤ 1.02), and with the access log';
  return {
    ...{ what, case: name, measure: 'cpuUs', relation: 'at most' },
    ...{ against: 'bulkhead-unobserved', limit: 1.05 },
  };
}

export const observe: Scenario = {
  name: 'observe',
  title: 'Puts of 256 B and reads of one key, with and without advice and access log',
  tls: false,
  excludes: ['grpc-proxy', 'gateway', 'node-gateway', 'haproxy', 'bulkhead-grpc-js'],
  cases,
  bars: cases.map(barOf),
};
