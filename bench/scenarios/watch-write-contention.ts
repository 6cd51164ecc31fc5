/** Writes to a range that thousands of local watchers watch: etcd's store has one lock for both. */
import type { Scenario } from '../scenario.ts';
import { notForWatches, nothingLost } from './watch-bars.ts';

const name = '5,000 watches, 200 puts in flight';

export const watchWriteContention: Scenario = {
  name: 'watch-write-contention',
  title: 'Puts to a range with 5,000 local watches',
  tls: false,
  excludes: notForWatches,
  cases: [
    {
      kind: 'watch-contention',
      name,
      connections: 50,
      watchersPerConnection: 100,
      putsInFlight: 200,
      seconds: 10,
    },
  ],
  bars: [
    {
      what: 'throughput of puts',
      case: name,
      measure: 'perSecond',
      against: 'grpc-proxy',
      relation: 'at least',
      limit: 1.5,
    },
    nothingLost(name),
  ],
};
