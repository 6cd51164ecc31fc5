/** Many local watchers of one prefix: many on few connections, and one on each of many connections. */
import type { Bar, Scenario, WatchEventsCase } from '../scenario.ts';
import { notForWatches, nothingLost } from './watch-bars.ts';

function watching(
  connections: number,
  watchersPerConnection: number,
  eventsPerSecond: number,
): WatchEventsCase {
  const watchers = connections * watchersPerConnection;
  return {
    kind: 'watch-events',
    name: `${watchers} watchers on ${connections} connections, ${eventsPerSecond}/s`,
    connections,
    watchersPerConnection,
    keys: 'prefix',
    eventsPerSecond,
    events: eventsPerSecond * 10,
  };
}

const few = watching(50, 20, 20);
const many = watching(500, 1, 20);
const fewFast = watching(50, 20, 200);
const manyFast = watching(500, 1, 200);
const cases = [few, many, fewFast, manyFast];

function cpu({ name }: WatchEventsCase, limit: number): Bar {
  return {
    what: 'CPU per delivered event',
    case: name,
    measure: 'cpuUs',
    against: 'grpc-proxy',
    relation: 'at most',
    limit,
  };
}

const latency = {
  what: 'event latency p99',
  case: fewFast.name,
  measure: 'p99Us',
  relation: 'at most',
} as const;

export const watchFanout: Scenario = {
  name: 'watch-fanout',
  title: 'Events of 128 B to many local watchers of one prefix',
  tls: false,
  excludes: notForWatches,
  cases,
  bars: [
    cpu(few, 0.2),
    cpu(many, 0.35),
    cpu(fewFast, 0.15),
    cpu(manyFast, 0.15),
    { ...latency, against: 'grpc-proxy', limit: 1 },
    { ...latency, against: 'etcd', limit: 1.2 },
    ...cases.map(({ name }) => nothingLost(name)),
  ],
};
