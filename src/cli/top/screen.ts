/** Formats what `top` shows as lines of a given width: plain text, or with colours. It does no input and no output. */
import type { EndpointRow, FindingRow, KeyRow, TenantRow, View } from './reading.ts';
import { type SortKey, sorted } from './sorting.ts';

export interface ScreenOptions {
  readonly columns: number;
  /** Infinity: everything is shown. */
  readonly rows: number;
  readonly hasColours: boolean;
  readonly sort: SortKey;
  readonly isReversed: boolean;
  readonly addressText: string;
  /** Why the last reading failed. Empty if it did not. */
  readonly failure: string;
}

type Colour = 'bold' | 'red' | 'yellow' | 'dim';

const codes: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, yellow: 33 };

interface Line {
  readonly text: string;
  readonly colour?: Colour;
}

/** Rows of each part if they do not fit. Tenants get what is left. */
const endpointsMax = 5;
const keysMax = 10;
const findingsMax = 6;

/** `view` is null before the first reading. */
export function screenLines(view: View | null, options: ScreenOptions): readonly string[] {
  const { columns, rows, hasColours } = options;
  const lines = view === null ? heading(null, options) : allLines(view, options);
  return lines.slice(0, rows).map(({ text, colour }) => {
    const cut = text.length > columns ? text.slice(0, columns) : text;
    return hasColours && colour !== undefined ? `\x1b[${codes[colour]}m${cut}\x1b[0m` : cut;
  });
}

function allLines(view: View, options: ScreenOptions): readonly Line[] {
  const tail = [
    ...part(keyHead, view.keys.slice(0, keysMax).map(keyLine)),
    ...part(findingHead, findingLines(view.findings)),
  ];
  const head = [
    ...heading(view, options),
    ...part(endpointHead, view.endpoints.slice(0, endpointsMax).map(endpointLine)),
  ];
  const tenants = sorted(view.tenants, options.sort, options.isReversed);
  // A blank line and the head of the table, and a line for those that do not fit.
  const room = Math.max(options.rows - head.length - tail.length - 3, 3);
  const shown = tenants.slice(0, room).map(tenantLine);
  const omitted = tenants.length - shown.length;
  const more = omitted > 0 ? [{ text: `… ${omitted} more tenants`, colour: 'dim' as const }] : [];
  return [...head, ...part(tenantHead, [...shown, ...more]), ...tail];
}

function heading(
  view: View | null,
  { addressText, sort, isReversed, failure }: ScreenOptions,
): Line[] {
  const sum = (figure: (row: TenantRow) => number | null) =>
    view === null || view.tenants.every((row) => figure(row) === null)
      ? null
      : view.tenants.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const parts = [
    `etcd-bulkhead ${addressText}`,
    view?.now ?? '',
    `${view?.tenants.length ?? 0} tenants`,
    `${count(sum(({ callsPerSecond }) => callsPerSecond))} calls/s`,
    `${count(sum(({ errorsPerSecond }) => errorsPerSecond))} errors/s`,
    `by ${sort}${isReversed ? ', reversed' : ''}`,
  ];
  const lines: Line[] = [{ text: parts.filter((each) => each !== '').join('  '), colour: 'bold' }];
  if (failure !== '') {
    lines.push({ text: `cannot read ${addressText}: ${failure}; trying again`, colour: 'red' });
  }
  return lines;
}

function part(head: string, rows: readonly Line[]): readonly Line[] {
  return rows.length === 0 ? [] : [{ text: '' }, { text: head, colour: 'bold' }, ...rows];
}

const tenantHead = `${'TENANT'.padEnd(20)}${[
  ...['CALLS/S', 'ERR/S', 'BYTES/S', 'P50 MS', 'P99 MS'],
  ...['OPEN', 'STREAMS', 'WATCHES', 'FEEDS', 'LEASES'],
]
  .map((name) => name.padStart(9))
  .join('')}  BREAKERS`;

function tenantLine(row: TenantRow): Line {
  const cells = [
    ...[count(row.callsPerSecond), count(row.errorsPerSecond), size(row.bytesPerSecond)],
    ...[duration(row.p50Ms), duration(row.p99Ms)],
    ...[row.openCalls, row.streams, row.watches, row.feeds, row.leases].map(count),
  ];
  const text = `${name(row.tenant, 20)}${cells.map((cell) => cell.padStart(9)).join('')}  ${row.breakers.join(', ')}`;
  if (row.breakers.length > 0) return { text: text.trimEnd(), colour: 'red' };
  return (row.errorsPerSecond ?? 0) > 0
    ? { text: text.trimEnd(), colour: 'yellow' }
    : { text: text.trimEnd() };
}

const keyHead = `${'BUSIEST KEYS'.padEnd(20)}${'CALLS/S'.padStart(9)}${'BYTES/S'.padStart(9)}  KEY`;

function keyLine({ tenant, key, callsPerSecond, bytesPerSecond }: KeyRow): Line {
  const cells = [count(callsPerSecond), size(bytesPerSecond)].map((cell) => cell.padStart(9));
  return { text: `${name(tenant, 20)}${cells.join('')}  ${key}` };
}

const findingHead = `${'FINDINGS'.padEnd(20)}  ${'NAME'.padEnd(22)}  ${'SINCE'.padEnd(20)}  SUBJECT`;

/** Two lines each: what it concerns, and what to do. */
function findingLines(findings: readonly FindingRow[]): readonly Line[] {
  const shown = findings.slice(0, findingsMax).flatMap((finding): Line[] => {
    const { tenant, name: found, subject, since, text } = finding;
    const first = `${name(tenant, 20)}  ${found.padEnd(22)}  ${since.slice(0, 19).padEnd(20)}  ${subject}`;
    return [
      { text: first.trimEnd(), colour: 'yellow' },
      { text: `    ${text}`, colour: 'dim' },
    ];
  });
  const omitted = findings.length - findingsMax;
  return omitted > 0 ? [...shown, { text: `… ${omitted} more findings`, colour: 'dim' }] : shown;
}

const endpointHead = `${'ENDPOINT'.padEnd(40)}  ${'STATE'.padEnd(12)}  ${'VERSION'.padEnd(8)}  LAST ERROR`;

function endpointLine({ name: endpoint, state, version, lastError }: EndpointRow): Line {
  const text = `${name(endpoint, 40)}  ${state.padEnd(12)}  ${version.padEnd(8)}  ${lastError}`;
  return lastError === '' ? { text: text.trimEnd() } : { text, colour: 'red' };
}

function name(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

const unknown = '-';

function count(value: number | null): string {
  if (value === null) return unknown;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function size(bytes: number | null): string {
  if (bytes === null) return unknown;
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)}${units[unit]}`;
}

function duration(ms: number | null): string {
  if (ms === null) return unknown;
  return ms >= 100 ? ms.toFixed(0) : ms.toFixed(ms >= 10 ? 1 : 2);
}
