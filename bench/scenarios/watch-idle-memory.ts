/** Memory of a watcher without events, beyond that of its connection. */
import type { Bar, Scenario, WatchMemoryCase } from '../scenario.ts';
import { notForWatches } from './watch-bars.ts';

const own: WatchMemoryCase = {
  kind: 'watch-memory',
  name: '10,000 watchers on own streams',
  connections: 100,
  streamsPerConnection: 100,
  watchersPerStream: 1,
};
const shared: WatchMemoryCase = {
  kind: 'watch-memory',
  name: '50,000 watchers on shared streams',
  connections: 100,
  streamsPerConnection: 1,
  watchersPerStream: 500,
};

function memory({ name }: WatchMemoryCase, limit: number): Bar {
  return {
    what: 'memory per watcher, KiB',
    case: name,
    measure: 'watcherKiB',
    against: null,
    relation: 'at most',
    limit,
  };
}

export const watchIdleMemory: Scenario = {
  name: 'watch-idle-memory',
  title: 'Memory of idle watchers of one prefix, beyond their connections',
  tls: false,
  excludes: notForWatches,
  cases: [own, shared],
  bars: [memory(own, 8), memory(shared, 1)],
};
