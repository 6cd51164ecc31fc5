/**
 * Reads and writes `grpc-timeout`: at most eight digits and a unit.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

const digitsMax = 99_999_999;
const wellFormed = /^\d{1,8}[HMSmun]$/;

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Returns milliseconds, or NaN if `text` is malformed. */
export function parseTimeout(text: string): number {
  if (!wellFormed.test(text)) return Number.NaN;
  return Number.parseInt(text, 10) * (unitMs[text.charAt(text.length - 1)] ?? Number.NaN);
}

/** Uses the finest unit that can express `ms`, and rounds up so that no call ends early. `ms` must be finite. */
export function formatTimeout(ms: number): string {
  const micros = Math.max(1, Math.ceil(ms * 1_000));
  if (micros <= digitsMax) return `${micros}u`;
  if (ms <= digitsMax) return `${Math.ceil(ms)}m`;
  return `${Math.min(digitsMax, Math.ceil(ms / 1_000))}S`;
}
