/** A read that returns 10,000 keys of 256 bytes, about 3 MB: the cost of forwarding and rewriting a large response. */
import type { Scenario } from '../scenario.ts';

const name = 'range of 10,000 keys 4x1';

export const range10k: Scenario = {
  name: 'range-10k',
  title: 'A range that returns 10,000 keys of 256 B',
  tls: false,
  excludes: ['bulkhead-2-workers'],
  cases: [
    {
      kind: 'load',
      name,
      operation: 'range',
      connections: 4,
      inFlightPerConnection: 1,
      requests: 100,
    },
  ],
  bars: [
    {
      what: 'CPU per range',
      case: name,
      measure: 'cpuUs',
      against: 'grpc-proxy',
      relation: 'at most',
      limit: 0.4,
    },
  ],
};
