/** A thousand client connections with one watch each and no events: the memory of idle watches. */
import type { Bar, Scenario, WatchCase } from '../scenario.ts';

const cases = (['same', 'own'] as const).map(
  (keys): WatchCase => ({
    kind: 'idle-watches',
    name: `1,000 watches, ${keys} key`,
    connections: 1000,
    keys,
  }),
);

export const watchesIdleMemory: Scenario = {
  name: 'watches-idle-memory',
  title: 'Resident memory with 1,000 connections, one open watch each',
  tls: false,
  excludes: ['bulkhead-2-workers'],
  cases,
  bars: cases.flatMap(({ name }): Bar[] => {
    const memory = {
      what: 'resident memory',
      case: name,
      measure: 'residentMiB',
      relation: 'at most',
    } as const;
    return [
      { ...memory, against: 'grpc-proxy', limit: 1 },
      { ...memory, against: null, limit: 150 },
    ];
  }),
};
