/** A single watcher: what sharing adds to the latency of an event. */
import type { Scenario } from '../scenario.ts';
import { notForWatches, nothingLost } from './watch-bars.ts';

const name = 'one watcher, 100/s';
const latency = {
  what: 'event latency added, p50',
  case: name,
  measure: 'addedP50Us',
  relation: 'at most',
  limit: 1,
} as const;

export const watchOne: Scenario = {
  name: 'watch-one',
  title: 'Events of 128 B to one watcher',
  tls: false,
  excludes: notForWatches,
  cases: [
    {
      kind: 'watch-events',
      name,
      connections: 1,
      watchersPerConnection: 1,
      keys: 'prefix',
      eventsPerSecond: 100,
      events: 1000,
    },
  ],
  bars: [
    { ...latency, against: 'bulkhead-unshared' },
    { ...latency, against: 'grpc-proxy' },
    nothingLost(name),
  ],
};
