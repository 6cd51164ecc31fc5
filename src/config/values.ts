/**
 * Parses the value of a setting, with one function per kind. Flags, environment variables, the file and defaults all use
 * these functions, so that a text has the same meaning in each.
 */
import { parseAddress, parseEndpoint } from './address.ts';
import { alternatives } from './problem.ts';
import type { Kind, Setting, ValueOf } from './setting.ts';

/** Returned in place of a value if the text is not valid. */
export class InvalidValue {
  /** A sentence without its subject: "must be true or false, not …". */
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

function mustBe(expected: string, text: string): InvalidValue {
  return new InvalidValue(`must be ${expected}, not ${JSON.stringify(text)}`);
}

type Readers = {
  readonly [K in Kind]: (texts: readonly string[], setting: Setting) => ValueOf[K] | InvalidValue;
};

/** For the kinds that have several elements, `texts` are the elements. */
const separated: ReadonlySet<Kind> = new Set(['list', 'addresses', 'endpoints']);

/** The units of Go's durations, as in `1h30m` or `1.5s`. */
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
  list: (texts) => texts,
  boolean: (texts) => {
    const text = last(texts);
    if (isTrue(text)) return true;
    if (isFalse(text)) return false;
    return mustBe('true or false', text);
  },
  integer: (texts, setting) => {
    const text = last(texts);
    if (!/^\d{1,15}$/.test(text)) return mustBe('a whole number', text);
    return bounded(Number(text), text, setting, String);
  },
  duration: (texts, setting) => {
    const text = last(texts);
    const ms = durationMs(text);
    if (ms === undefined) return mustBe('a duration such as 500ms, 5s or 1m30s', text);
    return bounded(ms, text, setting, formatDuration);
  },
  bytes: (texts, setting) => {
    const text = last(texts);
    const match = /^(\d{1,15}(?:\.\d{1,6})?)([A-Za-z]*)$/.exec(text);
    const unit = unitBytes[match?.[2] ?? ' '];
    if (match === null || unit === undefined) {
      return mustBe('a size such as 1048576, 512KiB or 1.5MiB', text);
    }
    const bytes = Math.floor(Number(match[1]) * unit);
    return bounded(bytes, text, setting, (bound) => `${bound} bytes`);
  },
  choice: (texts, setting) => {
    const text = last(texts);
    const choices = setting.choices ?? [];
    if (setting.isSwitch === true && isTrue(text)) return 'on';
    if (setting.isSwitch === true && isFalse(text)) return 'off';
    if (choices.includes(text)) return text;
    return mustBe(alternatives(choices.filter((choice) => choice !== '')), text);
  },
  address: (texts) => {
    const text = last(texts);
    return text === '' ? null : (parseAddress(text) ?? mustBe(anAddress, text));
  },
  addresses: (texts) => each(texts, parseAddress, anAddress),
  endpoints: (texts) => each(texts, parseEndpoint, anEndpoint),
};

function isTrue(text: string): boolean {
  return text === 'true' || text === '1';
}

function isFalse(text: string): boolean {
  return text === 'false' || text === '0';
}

const anAddress = 'an address such as 127.0.0.1:2379, [::1]:2379, :2379 or unix:///path';
const anEndpoint = 'an endpoint such as 10.0.0.1:2379, https://etcd-0:2379 or unix:///path';

/**
 * Parses the texts of one setting. There are several if a flag is repeated or the file has a list. Elements are separated by
 * commas, unless the file has a list (`isList`).
 */
export function readValue<K extends Kind>(
  kind: K,
  texts: readonly string[],
  setting: Setting,
  isList = false,
): ValueOf[K] | InvalidValue {
  return readers[kind](separated.has(kind) && !isList ? elements(texts) : texts, setting);
}

/** The last occurrence of a repeated flag wins, as in etcd's own commands. */
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
  expected: string,
): readonly T[] | InvalidValue {
  if (texts.length === 0) return new InvalidValue('must not be empty');
  const values: T[] = [];
  for (const text of texts) {
    const value = parse(text);
    if (value === undefined) return mustBe(expected, text);
    values.push(value);
  }
  return values;
}

function bounded(
  value: number,
  text: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Setting,
  format: (value: number) => string,
): number | InvalidValue {
  if (value < min) return mustBe(`at least ${format(min)}`, text);
  if (value > max) return mustBe(`at most ${format(max)}`, text);
  return value;
}

/** In milliseconds; undefined if the text is not a valid duration. 0 needs no unit, as in Go. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) {
    sum += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  // The longest delay of a Node.js timer.
  return sum <= 2_147_483_647 ? sum : undefined;
}

/** Formats a duration in the largest unit that divides it: `1500ms`, `15s`, `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const size = unitMs[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
