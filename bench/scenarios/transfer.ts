/** Export and import of a namespace. `etcd` is etcdctl, which reads the same keys into a file and compresses nothing. */
import type { Scenario, TransferCase } from '../scenario.ts';

const shape = { kind: 'transfer', keys: 100_000, valueBytes: 256 } as const;
const exported: TransferCase = {
  ...shape,
  name: 'export 100,000 keys of 256 B',
  operation: 'export',
};
const imported: TransferCase = {
  ...shape,
  name: 'import 100,000 keys of 256 B',
  operation: 'import',
};

export const transfer: Scenario = {
  name: 'transfer',
  title: 'Export to a file and import, keys per second of the whole command',
  tls: false,
  excludes: [],
  cases: [exported, imported],
  bars: [
    {
      what: 'time of an export, as speed',
      case: exported.name,
      measure: 'perSecond',
      against: 'etcd',
      relation: 'at least',
      limit: 1 / 1.2,
    },
    {
      what: 'memory of an export, MiB',
      case: exported.name,
      measure: 'peakMiB',
      against: null,
      relation: 'at most',
      limit: 150,
    },
    {
      what: 'imported keys per second',
      case: imported.name,
      measure: 'perSecond',
      against: null,
      relation: 'at least',
      limit: 20_000,
    },
  ],
};
