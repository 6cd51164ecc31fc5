/** What the scenarios with watchers share. */
import type { Bar, TargetName } from '../scenario.ts';

/** Proxies that forward bytes cost etcd what direct clients cost, and the transport grpc-js has the cost of its own. */
export const notForWatches: readonly TargetName[] = [
  'gateway',
  'node-gateway',
  'haproxy',
  'bulkhead-grpc-js',
];

/** Every watcher receives every event, once and in order. */
export function nothingLost(name: string): Bar {
  return {
    what: 'events missed, repeated or reordered',
    case: name,
    measure: 'lostEvents',
    against: null,
    relation: 'at most',
    limit: 0,
  };
}
