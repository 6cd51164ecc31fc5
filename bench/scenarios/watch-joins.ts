/** A thousand watchers that begin at the same moment, as after a restart of the proxy. */
import type { Scenario } from '../scenario.ts';
import { notForWatches } from './watch-bars.ts';

const name = '1,000 watchers join';

export const watchJoins: Scenario = {
  name: 'watch-joins',
  title: '1,000 watchers of one prefix that join at once',
  tls: false,
  excludes: notForWatches,
  cases: [{ kind: 'watch-joins', name, connections: 100, watchersPerConnection: 10 }],
  bars: [
    {
      what: 'upstream requests',
      case: name,
      measure: 'upstreamRequests',
      against: null,
      relation: 'at most',
      limit: 20,
    },
    {
      what: 'time until all are created',
      case: name,
      measure: 'p50Us',
      against: 'grpc-proxy',
      relation: 'at most',
      limit: 2,
    },
  ],
};
