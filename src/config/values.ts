/**
 * Text → value, one function per kind of setting. Flags, environment variables, scalars of the file and defaults all
 * come through here, so that a value means the same wherever it was written.
 */
import { parseAddress, parseEndpoint } from './address.ts';
import type { Kind, Setting, ValueOf } from './schema.ts';

/** Why a text is not a value of its kind, in words that follow "is". */
export class InvalidValue {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

type Readers = {
  readonly [K in Kind]: (texts: readonly string[], setting: Setting) => ValueOf[K] | InvalidValue;
};

/** Go's units, as in `1h30m` or `1.5s`. */
const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  µs: 0.001,
  ns: 0.000_001,
};

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

const readers: Readers = {
  text: last,
  file: last,
  list: elements,
  boolean: (texts) => {
    const text = last(texts);
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    return new InvalidValue('neither true nor false');
  },
  integer: (texts, setting) => {
    const text = last(texts);
    if (!/^\d{1,15}$/.test(text)) return new InvalidValue('not a whole number');
    return bounded(Number(text), setting, String);
  },
  duration: (texts, setting) => {
    const ms = durationMs(last(texts));
    if (ms === undefined) return new InvalidValue('not a duration such as 500ms, 5s or 1m30s');
    return bounded(ms, setting, formatDuration);
  },
  bytes: (texts, setting) => {
    const match = /^(\d{1,15}(?:\.\d{1,6})?)([A-Za-z]*)$/.exec(last(texts));
    const unit = unitBytes[match?.[2] ?? ' '];
    if (match === null || unit === undefined) {
      return new InvalidValue('not a size such as 1048576, 512KiB or 1.5MiB');
    }
    return bounded(Math.floor(Number(match[1]) * unit), setting, (bytes) => `${bytes} bytes`);
  },
  choice: (texts, setting) => {
    const text = last(texts);
    const choices = setting.choices ?? [];
    return choices.includes(text) ? text : new InvalidValue(`not one of ${choices.join(', ')}`);
  },
  address: (texts) => {
    const text = last(texts);
    return text === '' ? null : (parseAddress(text) ?? new InvalidValue(noAddress));
  },
  addresses: (texts) => each(elements(texts), parseAddress, noAddress),
  endpoints: (texts) => each(elements(texts), parseEndpoint, noEndpoint),
};

const noAddress = 'not an address such as 127.0.0.1:2379, [::1]:2379, :2379 or unix:///path';
const noEndpoint = 'not an endpoint such as 10.0.0.1:2379, https://etcd-0:2379 or unix:///path';

/** The value, or reason there is none. `texts` holds what was given for one setting: several when it was repeated. */
export function readValue<K extends Kind>(
  kind: K,
  texts: readonly string[],
  setting: Setting,
): ValueOf[K] | InvalidValue {
  return readers[kind](texts, setting);
}

/** Of a repeated flag the last one counts, as in etcd's own commands. */
function last(texts: readonly string[]): string {
  return texts.at(-1) ?? '';
}

function elements(texts: readonly string[]): readonly string[] {
  return texts
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

function each<T>(
  texts: readonly string[],
  parse: (text: string) => T | undefined,
  otherwise: string,
): readonly T[] | InvalidValue {
  if (texts.length === 0) return new InvalidValue('empty');
  const values: T[] = [];
  for (const text of texts) {
    const value = parse(text);
    if (value === undefined) return new InvalidValue(`${otherwise} (${JSON.stringify(text)})`);
    values.push(value);
  }
  return values;
}

function bounded(
  value: number,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Setting,
  format: (value: number) => string,
): number | InvalidValue {
  if (value < min) return new InvalidValue(`less than ${format(min)}`);
  if (value > max) return new InvalidValue(`more than ${format(max)}`);
  return value;
}

/** Undefined when it is none. A bare 0 is one, as in Go. */
function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    sum += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  // A timer cannot wait longer, and nobody who writes more means it.
  return sum <= 2_147_483_647 ? sum : undefined;
}

/** The shortest spelling in one unit: `1500ms`, `15s`, `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const size = unitMs[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
