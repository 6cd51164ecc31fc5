/** The results of the cells, the newest of each, in a file from which docs/faults.md is rendered. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CellResult } from './cell.ts';
import type { Waiting } from './ledger.ts';
import { leaseTtlSeconds } from './load/lease-holder.ts';
import type { PathName } from './path.ts';

const file = fileURLToPath(new URL('results.json', import.meta.url));

export interface CellRecord {
  readonly fault: string;
  readonly path: PathName;
  /** The day on which the cell ran. */
  readonly date: string;
  /** Of the proxy. */
  readonly commit: string;
  /** What was wrong, at most a few of each kind. Empty if the cell passed. */
  readonly violations: readonly string[];
  /** Set if etcd itself is the reason of the violations. */
  readonly causedByEtcd?: string;
  /** By kind of call and code. */
  readonly errors: Readonly<Record<string, number>>;
  /** The longest wait of a client, in milliseconds. Null if the cell could not be run. */
  readonly longest: Readonly<Record<Waiting, number>> | null;
  readonly writes: number;
  readonly acknowledged: number;
  readonly reads: number;
}

export interface Results {
  /** Facts about the machine and the versions of the newest run. */
  readonly environment: Readonly<Record<string, string | number | null>>;
  readonly cells: readonly CellRecord[];
}

const violationsMax = 3;

/** Leases that were renewed in time, and the locks on them, are lost because of etcd; nothing else is violated. */
function isCausedByEtcd({ violations, longest }: CellResult): boolean {
  const { leases, locks, ...others } = violations;
  const isOnlyOfLeases = Object.values(others).flat().length === 0;
  const wereRenewed = longest.keepalives < leaseTtlSeconds * 1_000;
  return leases.length + locks.length > 0 && isOnlyOfLeases && wereRenewed;
}

/** When and with what a cell ran. */
type Run = Pick<CellRecord, 'date' | 'commit'>;

export function toRecord(result: CellResult, run: Run): CellRecord {
  const { fault, path, writes, acknowledged, reads, leasesLostByEtcd } = result;
  const violations = Object.entries(result.violations).flatMap(([check, found]) => {
    const texts = found.slice(0, violationsMax).map((text) => `${check}: ${text}`);
    const more = found.length - texts.length;
    return more === 0 ? texts : [...texts, `${check}: ${more} more`];
  });
  const { puts, gets, watches, keepalives, locks } = result.longest;
  return {
    ...{ fault, path, ...run, violations, writes, acknowledged, reads },
    ...(leasesLostByEtcd !== null && isCausedByEtcd(result) && { causedByEtcd: leasesLostByEtcd }),
    errors: Object.fromEntries([...result.errors].sort(([a], [b]) => a.localeCompare(b))),
    longest: {
      puts: Math.round(puts),
      gets: Math.round(gets),
      watches: Math.round(watches),
      keepalives: Math.round(keepalives),
      locks: Math.round(locks),
    },
  };
}

export function failedRecord(
  cell: Pick<CellRecord, 'fault' | 'path'> & Run,
  error: Error,
): CellRecord {
  return {
    ...cell,
    violations: [`the cell did not run to its end: ${error.message.slice(0, 300)}`],
    errors: {},
    longest: null,
    ...{ writes: 0, acknowledged: 0, reads: 0 },
  };
}

export function readResults(): Results {
  return JSON.parse(readFileSync(file, 'utf8')) as Results;
}

/** Replaces the cells that have run again. */
export function saveResults({ environment, cells }: Results): Results {
  const name = ({ fault, path }: CellRecord) => `${fault} ${path}`;
  const replaced = new Set(cells.map(name));
  const kept = readResults().cells.filter((cell) => !replaced.has(name(cell)));
  const results = { environment, cells: [...kept, ...cells] };
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  return results;
}
