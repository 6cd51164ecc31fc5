/** The content of /advicez: per tenant the busiest keys and prefixes of about the last ten minutes, and the findings. */
import { mergedBy } from '../../runtime/merged-by.ts';
import type { Figures, FindingName } from './findings.ts';

export interface BusyKey {
  /** Printable. */
  readonly key: string;
  /** Estimates, scaled by the sampling. */
  readonly calls: number;
  readonly bytes: number;
}

export interface BusyPrefix {
  /** Printable. */
  readonly prefix: string;
  readonly calls: number;
  readonly bytes: number;
}

export interface FindingReport {
  readonly name: FindingName;
  /** A printable key or prefix, or an address. Empty: the tenant. */
  readonly subject: string;
  /** When it was first seen, in ISO 8601. */
  readonly since: string;
  readonly figures: Figures;
  /** What to do. */
  readonly text: string;
}

export interface TenantAdvice {
  readonly tenant: string;
  /** The time in which the calls were made. */
  readonly seconds: number;
  readonly keys: readonly BusyKey[];
  readonly prefixes: readonly BusyPrefix[];
  readonly findings: readonly FindingReport[];
}

/** Of each kind. */
export const busiestMax = 10;

/** Combines the reports of several processes. */
export function mergedAdvice(
  reports: readonly (readonly TenantAdvice[])[],
): readonly TenantAdvice[] {
  return mergedBy(reports.flat(), ({ tenant }) => tenant, merged);
}

function merged(one: TenantAdvice, other: TenantAdvice): TenantAdvice {
  return {
    tenant: one.tenant,
    seconds: Math.max(one.seconds, other.seconds),
    keys: busiest([...one.keys, ...other.keys], ({ key }) => key),
    prefixes: busiest([...one.prefixes, ...other.prefixes], ({ prefix }) => prefix),
    findings: mergedBy(
      [...one.findings, ...other.findings],
      ({ name, subject }) => `${name} ${subject}`,
      mergedFinding,
    ),
  };
}

function busiest<T extends { readonly calls: number; readonly bytes: number }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
): readonly T[] {
  const sums = mergedBy(rows, nameOf, (one, other) => ({
    ...other,
    calls: one.calls + other.calls,
    bytes: one.bytes + other.bytes,
  }));
  return sums.toSorted((a, b) => b.calls - a.calls).slice(0, busiestMax);
}

function mergedFinding(one: FindingReport, other: FindingReport): FindingReport {
  // In ISO 8601 the order of the texts is that of the times.
  const { since } = one.since < other.since ? one : other;
  return { ...one, since, figures: combined(one.figures, other.figures) };
}

/** Rates are summed. A share and a largest size are not. */
function combined(one: Figures, other: Figures): Figures {
  const all = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const before = all[name] ?? 0;
    const isRate = /per(?:Second|Minute)$/i.test(name);
    all[name] = isRate ? before + value : Math.max(before, value);
  }
  return all;
}
