/**
 * One reading of the pages of a proxy, and the rates between two readings. What the pages contain is not trusted: a missing or
 * wrong value is replaced, and texts are made safe for a terminal.
 */
import { safe } from './safe-text.ts';

export interface TenantRow {
  readonly tenant: string;
  /** Null before the second reading, and after a restart of the proxy. */
  readonly callsPerSecond: number | null;
  readonly errorsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly openCalls: number;
  readonly streams: number;
  readonly watches: number;
  readonly feeds: number;
  /** Null if it is not known. */
  readonly leases: number | null;
  /** Those that are not closed, or that are forced: `write open (forced)`. */
  readonly breakers: readonly string[];
}

export interface KeyRow {
  readonly tenant: string;
  readonly key: string;
  /** Estimates. */
  readonly callsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface FindingRow {
  readonly tenant: string;
  readonly name: string;
  readonly subject: string;
  readonly since: string;
  readonly text: string;
}

export interface EndpointRow {
  readonly name: string;
  readonly state: string;
  readonly version: string;
  readonly lastError: string;
}

/** What `top` shows, and `--json` prints. */
export interface View {
  readonly now: string;
  readonly tenants: readonly TenantRow[];
  /** The busiest of all tenants. */
  readonly keys: readonly KeyRow[];
  readonly findings: readonly FindingRow[];
  readonly endpoints: readonly EndpointRow[];
}

/** The pages as they were received. `/advicez` is null if the advice is switched off. */
export interface Pages {
  readonly atMs: number;
  readonly tenants: unknown;
  readonly advice: unknown;
  readonly upstream: unknown;
  /** Null unless actions are enabled. */
  readonly breakers: unknown;
}

/** `before` is null for the first reading. */
export function viewOf(pages: Pages, before: Pages | null): View {
  const advised = rowsOf(pages.advice, 'tenants');
  return {
    now: textOf(objectOf(pages.tenants)['now']),
    tenants: tenantRows(pages, before),
    keys: advised.flatMap(keyRows).toSorted((a, b) => b.callsPerSecond - a.callsPerSecond),
    findings: advised.flatMap(findingRows),
    endpoints: rowsOf(pages.upstream, 'endpoints').map((row) => ({
      name: textOf(row['name']),
      state: textOf(row['state']),
      version: textOf(row['version']),
      lastError: textOf(row['lastError']),
    })),
  };
}

type Row = Readonly<Record<string, unknown>>;

function tenantRows(pages: Pages, before: Pages | null): readonly TenantRow[] {
  const seconds = before === null ? 0 : (pages.atMs - before.atMs) / 1_000;
  const earlier = new Map(
    rowsOf(before?.tenants, 'tenants').map((row) => [textOf(row['tenant']), row]),
  );
  const forced = breakersOf(pages.breakers);
  return rowsOf(pages.tenants, 'tenants').map((row) => {
    const tenant = textOf(row['tenant']);
    const last = earlier.get(tenant);
    const rate = (...names: readonly string[]) => {
      if (last === undefined || seconds <= 0) return null;
      const difference = sumOf(row, names) - sumOf(last, names);
      // Counts that fall: the proxy was started again.
      return difference < 0 ? null : difference / seconds;
    };
    return {
      tenant,
      callsPerSecond: rate('calls'),
      errorsPerSecond: rate('errors'),
      bytesPerSecond: rate('requestBytes', 'responseBytes'),
      p50Ms: numberOrNull(row['p50Ms']),
      p99Ms: numberOrNull(row['p99Ms']),
      openCalls: numberOf(row['openCalls']),
      streams: numberOf(row['streams']),
      watches: numberOf(row['watches']),
      feeds: numberOf(row['feeds']),
      leases: numberOrNull(row['leases']),
      breakers: [
        ...new Set([
          ...rowsOf(row, 'breakers').map((each) => breakerText(each, 'class', 'forced')),
          ...(forced.get(tenant) ?? []),
        ]),
      ],
    };
  });
}

/** /breakers, by tenant. */
function breakersOf(page: unknown): ReadonlyMap<string, readonly string[]> {
  const byTenant = new Map<string, string[]>();
  for (const row of rowsOf(page, 'breakers')) {
    const tenant = textOf(row['tenant']);
    const list = byTenant.get(tenant) ?? [];
    byTenant.set(tenant, list);
    list.push(breakerText(row, 'breaker', 'isForced'));
  }
  return byTenant;
}

function breakerText(row: Row, className: string, forcedName: string): string {
  const forced = row[forcedName] === true ? ' (forced)' : '';
  return `${textOf(row[className])} ${textOf(row['state'])}${forced}`;
}

function keyRows(advice: Row): readonly KeyRow[] {
  const seconds = Math.max(numberOf(advice['seconds']), 1);
  return rowsOf(advice, 'keys').map((row) => ({
    tenant: textOf(advice['tenant']),
    key: textOf(row['key']),
    callsPerSecond: numberOf(row['calls']) / seconds,
    bytesPerSecond: numberOf(row['bytes']) / seconds,
  }));
}

function findingRows(advice: Row): readonly FindingRow[] {
  return rowsOf(advice, 'findings').map((row) => ({
    tenant: textOf(advice['tenant']),
    name: textOf(row['name']),
    subject: textOf(row['subject']),
    since: textOf(row['since']),
    text: textOf(row['text']),
  }));
}

function objectOf(value: unknown): Row {
  return typeof value === 'object' && value !== null ? (value as Row) : {};
}

/** The objects in a list of an object. Empty if the object has no such list. */
function rowsOf(value: unknown, name: string): readonly Row[] {
  const list = objectOf(value)[name];
  return Array.isArray(list) ? list.map(objectOf) : [];
}

function sumOf(row: Row, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + numberOf(row[name]), 0);
}

function numberOf(value: unknown): number {
  return numberOrNull(value) ?? 0;
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? safe(value) : '';
}
