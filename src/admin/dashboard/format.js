/** Numbers, times and text of tenants, as text for people. No DOM. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** What is not known yet. */
export const unknown = '–';

/** @param {number | null} value */
export function count(value) {
  return value === null ? unknown : whole.format(value);
}

/** Of something per second. @param {number | null} value */
export function rate(value) {
  if (value === null) return unknown;
  return value < 100 ? oneDigit.format(value) : whole.format(value);
}

/** @param {number | null} value */
export function bytes(value) {
  if (value === null) return unknown;
  let unit = 0;
  let amount = value;
  while (amount >= 1024 && unit + 1 < units.length) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount < 100 && unit > 0 ? oneDigit.format(amount) : whole.format(amount)} ${units[unit]}`;
}

/** A duration in milliseconds. @param {number | null} value */
export function ms(value) {
  if (value === null) return unknown;
  if (value >= 10_000) return `${oneDigit.format(value / 1000)} s`;
  if (value >= 100) return `${whole.format(value)} ms`;
  return `${value < 1 ? value.toFixed(2) : oneDigit.format(value)} ms`;
}

const steps = /** @type {const} */ ([
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]);

/** How long a time span is, in its largest unit. @param {number} milliseconds */
export function span(milliseconds) {
  const seconds = Math.max(Math.round(milliseconds / 1000), 0);
  const [name, size] = steps.find(([, each]) => seconds >= each) ?? ['second', 1];
  const amount = Math.floor(seconds / size);
  return `${whole.format(amount)} ${name}${amount === 1 ? '' : 's'}`;
}

/** A time in ISO 8601 as local time. @param {string} iso */
export function time(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? unknown : date.toLocaleString('sv-SE');
}

/**
 * Text that a tenant has chosen, with every character made visible: a control or bidi character could make two names look alike,
 * or one name look like another.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(hidden, (character) => {
    const code = /** @type {number} */ (character.codePointAt(0));
    return `\\u{${code.toString(16).toUpperCase()}}`;
  });
}

/** Control, format (bidi, zero width), unassigned and private characters, lone surrogates, separators other than a space, fillers. */
const hidden = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;
