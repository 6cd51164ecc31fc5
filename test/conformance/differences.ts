/**
 * Where the proxy behaves differently from etcd on purpose: the whole list, each with its reason. A case that cannot
 * have one expectation for all targets names its entry here; anything else that differs is a fault.
 */
import type { TargetKind } from '../support/target.ts';

export const differences = {
  'lease-id-range':
    'A stored lease ID carries 32 bits of the namespace, so clients have 31: larger and negative IDs are refused.',
  'from-key-delete-and-put':
    "etcd's overlap check never matches a range that is open at its end; within a namespace no range is.",
  'member-list': 'Clients that follow the member list must not walk around the proxy.',
  'cluster-wide-methods':
    'What shows or changes the whole cluster is no business of a tenant: permission denied.',
  'compaction-is-virtual':
    'A tenant cannot take history from the others: its own reads are refused, and nothing is removed from the store.',
  'request-size':
    'Prefix and tag count against the size of a request as stored, so the largest one is that much smaller.',
} as const satisfies Record<string, string>;

export interface Expectations {
  etcd(): Promise<void>;
  proxy(): Promise<void>;
}

/** Runs the expectation of the target at hand. */
export function differs(
  kind: TargetKind,
  _difference: keyof typeof differences,
  expectations: Expectations,
): Promise<void> {
  return kind.isProxy ? expectations.proxy() : expectations.etcd();
}
