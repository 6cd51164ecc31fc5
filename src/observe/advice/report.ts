/** The content of /advicez: per tenant the busiest keys and prefixes of about the last ten minutes, and the findings. */
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
  const byTenant = new Map<string, TenantAdvice>();
  for (const each of reports.flat()) {
    const before = byTenant.get(each.tenant);
    byTenant.set(each.tenant, before === undefined ? each : merged(before, each));
  }
  return [...byTenant.values()];
}

function merged(one: TenantAdvice, other: TenantAdvice): TenantAdvice {
  return {
    tenant: one.tenant,
    seconds: Math.max(one.seconds, other.seconds),
    keys: busiest([...one.keys, ...other.keys], ({ key }) => key),
    prefixes: busiest([...one.prefixes, ...other.prefixes], ({ prefix }) => prefix),
    findings: mergedFindings([...one.findings, ...other.findings]),
  };
}

function busiest<T extends { readonly calls: number; readonly bytes: number }>(
  rows: readonly T[],
  nameOf: (row: T) => string,
): readonly T[] {
  const sums = new Map<string, T>();
  for (const row of rows) {
    const before = sums.get(nameOf(row));
    const calls = row.calls + (before?.calls ?? 0);
    sums.set(nameOf(row), { ...row, calls, bytes: row.bytes + (before?.bytes ?? 0) });
  }
  return [...sums.values()].sort((a, b) => b.calls - a.calls).slice(0, busiestMax);
}

function mergedFindings(findings: readonly FindingReport[]): readonly FindingReport[] {
  const bySubject = new Map<string, FindingReport>();
  for (const each of findings) {
    const id = `${each.name} ${each.subject}`;
    const before = bySubject.get(id);
    if (before === undefined) bySubject.set(id, each);
    else {
      const [since = each.since] = [before.since, each.since].sort();
      bySubject.set(id, { ...before, since, figures: combined(before.figures, each.figures) });
    }
  }
  return [...bySubject.values()];
}

/** Rates are summed. A share and a largest size are not. */
function combined(one: Figures, other: Figures): Figures {
  const all = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const before = all[name] ?? 0;
    const isRate = name.includes('Per') || name.startsWith('per');
    all[name] = isRate && !name.startsWith('percent') ? before + value : Math.max(before, value);
  }
  return all;
}
