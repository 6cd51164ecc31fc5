/** The ranges of protobuf's integers, and the numbers that Go accepts for them. */
import type { FieldKind } from './message-type.ts';

export type IntegerKind = Exclude<FieldKind, 'bytes' | 'string' | 'bool'>;

const ranges: Readonly<Record<IntegerKind, readonly [bigint, bigint]>> = {
  int32: [-(1n << 31n), (1n << 31n) - 1n],
  uint32: [0n, (1n << 32n) - 1n],
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  uint64: [0n, (1n << 64n) - 1n],
};

/** Decimal digits with a sign. Null if it is anything else, or does not fit. */
export function plainInteger(text: string, kind: IntegerKind): bigint | null {
  // Go does not accept -0 as unsigned.
  if (!/^-?\d{1,20}$/.test(text)) return null;
  if (text.startsWith('-') && kind.startsWith('u')) return null;
  return inRange(BigInt(text), kind);
}

/**
 * A JSON number that is an integer, also with a fraction or an exponent, with the limits of protojson. Null if it is not.
 * https://github.com/protocolbuffers/protobuf-go/blob/master/internal/encoding/json/decode_number.go
 */
export function looseInteger(text: string, kind: IntegerKind): bigint | null {
  const match = /^(-?)(?:0|([1-9]\d*))(?:\.(\d+))?(?:[eE]([-+]?\d*))?$/.exec(text);
  if (match === null) return null;
  const [, sign = '', whole = '', digits = '', power] = match;
  const fraction = digits.replace(/0+$/, '');
  if (whole === '' && fraction === '') return 0n;
  const exponent = power === undefined ? 0 : parsePower(power);
  if (exponent === null) return null;
  const shifted =
    exponent >= 0 ? shiftLeft(whole, fraction, exponent) : shiftRight(whole, fraction, -exponent);
  if (shifted === null) return null;
  return plainInteger(sign + shifted, kind);
}

function parsePower(power: string): number | null {
  if (!/^[-+]?\d+$/.test(power)) return null;
  const value = Number(power);
  return Math.abs(value) < 2 ** 31 ? value : null;
}

/** protojson allows 20 digits. */
function shiftLeft(whole: string, fraction: string, by: number): string | null {
  if (fraction.length > by || whole.length + by > 20) return null;
  return whole + fraction + '0'.repeat(by - fraction.length);
}

function shiftRight(whole: string, fraction: string, by: number): string | null {
  const kept = whole.length - by;
  if (fraction !== '' || kept < 0 || !/^0*$/.test(whole.slice(kept))) return null;
  return whole.slice(0, kept);
}

function inRange(value: bigint, kind: IntegerKind): bigint | null {
  const [min, max] = ranges[kind];
  return value >= min && value <= max ? value : null;
}
