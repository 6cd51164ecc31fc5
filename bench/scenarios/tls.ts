/**
 * Puts of 256 bytes with TLS on both sides of the proxy. `etcd gateway` is not included: it forwards the client's TLS bytes
 * to etcd and encrypts nothing.
 */
import type { Scenario } from '../scenario.ts';

const name = 'put over TLS 100x10';

export const tls: Scenario = {
  name: 'tls',
  title: 'Puts of 256 B, TLS on both sides',
  tls: true,
  excludes: ['gateway', 'node-gateway', 'bulkhead-2-workers'],
  cases: [
    {
      kind: 'load',
      name,
      operation: 'put',
      connections: 100,
      inFlightPerConnection: 10,
      requests: 20_000,
    },
  ],
  bars: [
    {
      what: 'CPU per put',
      case: name,
      measure: 'cpuUs',
      against: 'grpc-proxy',
      relation: 'at most',
      limit: 0.35,
    },
  ],
};
