/**
 * Lease keepalives of a thousand clients with a connection and a stream each, one renewal per lease and second: up to
 * 10,000 keepalives per second.
 */
import type { Bar, KeepAliveCase, Scenario } from '../scenario.ts';

const cases = [10, 5, 1].map(
  (leasesPerConnection): KeepAliveCase => ({
    kind: 'keep-alives',
    name: `1,000 clients, ${leasesPerConnection} leases each`,
    connections: 1_000,
    leasesPerConnection,
    renewalsPerLease: 4,
  }),
);

export const keepalives: Scenario = {
  name: 'keepalives',
  title: 'Lease keepalives: 1,000 clients, one renewal per lease and second',
  tls: false,
  excludes: [],
  cases,
  bars: cases.flatMap(({ name }): Bar[] => [
    {
      what: 'CPU per keepalive',
      case: name,
      measure: 'cpuUs',
      against: 'grpc-proxy',
      relation: 'at most',
      limit: 0.25,
    },
    {
      what: 'keepalive streams at etcd',
      case: name,
      measure: 'etcdStreams',
      against: null,
      relation: 'at most',
      limit: 3,
    },
  ]),
};
