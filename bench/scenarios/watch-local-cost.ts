/** What the cluster pays for local watchers of one prefix: their number must not matter. */
import type { Bar, Scenario, WatchEventsCase } from '../scenario.ts';
import { notForWatches, nothingLost } from './watch-bars.ts';

const cases = ([1, 100, 1000] as const).map((watchers): WatchEventsCase => {
  const connections = Math.min(watchers, 100);
  return {
    kind: 'watch-events',
    name: `${watchers} local watchers`,
    connections,
    watchersPerConnection: watchers / connections,
    keys: 'prefix',
    eventsPerSecond: 50,
    events: 500,
  };
});
const [one] = cases;

export const watchLocalCost: Scenario = {
  name: 'watch-local-cost',
  title: 'CPU of etcd and bytes from etcd per put, by number of local watchers',
  tls: false,
  excludes: notForWatches,
  cases,
  bars: cases.flatMap(({ name }): Bar[] => {
    const constant = {
      case: name,
      against: { case: one?.name ?? '' },
      relation: 'at most',
      limit: 1.1,
    } as const;
    return [
      { what: 'bytes from etcd', measure: 'etcdBytes', ...constant },
      { what: 'CPU of etcd', measure: 'etcdCpuUs', ...constant },
      nothingLost(name),
    ];
  }),
};
