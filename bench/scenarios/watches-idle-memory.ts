/** A thousand client connections that each hold one watch and hear nothing: what it costs to be kept waiting for. */
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
  excludes: [],
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
