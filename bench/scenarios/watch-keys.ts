/** Watchers of one key each: what a feed per key costs, compared with one feed of the prefix. */
import type { Scenario, WatchEventsCase } from '../scenario.ts';
import { notForWatches, nothingLost } from './watch-bars.ts';

const load = { eventsPerSecond: 200, events: 2_000 } as const;

const own: WatchEventsCase = {
  kind: 'watch-events',
  name: '1,000 watchers of a key each',
  connections: 100,
  watchersPerConnection: 10,
  keys: 'own',
  ...load,
};
const prefix: WatchEventsCase = {
  kind: 'watch-events',
  name: 'one watcher of the prefix',
  connections: 1,
  watchersPerConnection: 1,
  keys: 'prefix',
  ...load,
};

export const watchKeys: Scenario = {
  name: 'watch-keys',
  title: 'Puts of 128 B, watched key by key and as a prefix',
  tls: false,
  excludes: notForWatches,
  cases: [own, prefix],
  bars: [nothingLost(own.name), nothingLost(prefix.name)],
};
