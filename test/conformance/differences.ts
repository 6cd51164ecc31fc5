/**
 * Where a target behaves differently from etcd on purpose, or because the library underneath does not let it: the whole
 * list, each entry with its reason. A case that cannot have one expectation for all targets names its entry here;
 * anything else that differs is a fault.
 */
import type { TargetKind } from '../support/target.ts';

interface Difference {
  /** Whether all proxies differ from etcd in this, those on one transport alone, or those with lease IDs of their own. */
  readonly where: 'proxy' | 'grpc-js' | 'mapped leases';
  readonly why: string;
}

export const differences = {
  'lease-id-range': {
    where: 'mapped leases',
    why: 'A stored lease ID carries a check value of 32 bits, so clients have 31: larger and negative IDs are refused.',
  },
  'unknown-fields': {
    where: 'proxy',
    why: 'The proxy cannot rewrite a field that it does not know, and a later etcd may read it as a key: refused.',
  },
  'from-key-delete-and-put': {
    where: 'proxy',
    why: "etcd's overlap check never matches a range that is open at its end; within a namespace no range is.",
  },
  'member-list': {
    where: 'proxy',
    why: 'Clients that follow the member list must not walk around the proxy.',
  },
  'cluster-wide-methods': {
    where: 'proxy',
    why: 'A tenant may not inspect or change the whole cluster: permission denied.',
  },
  'status-of-the-store': {
    where: 'proxy',
    why: 'Sizes and positions of the store tell how much other tenants write; the leader is the one member there is.',
  },
  'compaction-is-virtual': {
    where: 'proxy',
    why: 'A tenant cannot take history from the others: its own reads are refused, and nothing is removed from the store.',
  },
  'unasked-token': {
    where: 'proxy',
    why: 'An unexpected token is rejected, as by etcd before 3.4.28 and 3.5.10: a client that presents one expects to be identified by it.',
  },
  'request-size': {
    where: 'proxy',
    why: 'Prefix and check value count against the size of a request as stored, so the largest one is that much smaller.',
  },
  'library-texts': {
    where: 'grpc-js',
    why: 'For unknown methods and oversized messages the library responds before the proxy sees the call; the codes are the same.',
  },
  'request-heads': {
    where: 'proxy',
    why: 'Malformed request heads are rejected as by the newest etcd, whichever release is behind the proxy: 3.4 resets their streams, or does not check them.',
  },
  gzip: {
    where: 'proxy',
    why: 'The proxy inflates requests itself, also in front of 3.4, which rejects the encoding.',
  },
  deflate: {
    where: 'grpc-js',
    why: 'The library inflates deflate, too.',
  },
  'content-type': {
    where: 'grpc-js',
    why: 'The library always responds with application/grpc+proto.',
  },
  'metadata-size': {
    where: 'grpc-js',
    why: "Node's HTTP/2 rejects requests with more than 128 headers or more than 64 KiB of them.",
  },
  'stream-resets': {
    where: 'grpc-js',
    why: "Node's HTTP/2 ends a connection whose client resets more than about 1000 streams in a burst.",
  },
} as const satisfies Record<string, Difference>;

export type DifferenceName = keyof typeof differences;

/** Picks the expectation that holds for the target: etcd's own, or the one where the named difference applies. */
export function differing<T>(
  kind: TargetKind,
  name: DifferenceName,
  { etcd, instead }: { readonly etcd: T; readonly instead: T },
): T {
  const { where } = differences[name];
  return applies(kind, where) ? instead : etcd;
}

function applies(kind: TargetKind, where: Difference['where']): boolean {
  switch (where) {
    case 'proxy':
      return kind.transport !== null;
    case 'mapped leases':
      return kind.mapsLeases;
    default:
      return kind.transport === where;
  }
}

/** The same for expectations that are code. */
export function differs(
  kind: TargetKind,
  name: DifferenceName,
  expectations: { etcd(): Promise<void>; instead(): Promise<void> },
): Promise<void> {
  return differing(kind, name, expectations)();
}
