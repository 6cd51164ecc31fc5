/**
 * What the end of a call says about the cluster's health. Texts are looked at before codes, because etcd sends "too many
 * requests" and every failure of its lock and election services as Unknown. Pure; what follows from a verdict is the
 * breaker's and the guard's business.
 */
import { Code, type Status } from '../grpc/status.ts';

/**
 * `success`      the cluster is alive, also where it refused the request;
 * `failure`      it could not serve;
 * `half-failure` a leader change, which is routine: counts half, and never opens a breaker by itself;
 * `overload`     it asks for less, and says so quickly;
 * `neutral`      says nothing about the cluster.
 */
export type Verdict = 'success' | 'failure' | 'half-failure' | 'overload' | 'neutral';

/**
 * How long etcd itself tries before it gives up on a proposal: 5 s and two election timeouts of 1 s (etcd
 * server/config/config.go, ReqTimeout). A client that left earlier tells nothing about the cluster.
 */
export const serverTimeoutMs = 7_000;

const byText: ReadonlyMap<string, Verdict> = new Map([
  ['etcdserver: too many requests', 'overload'],
  ['etcdserver: leader changed', 'half-failure'],
  ['etcdserver: no leader', 'failure'],
  ['etcdserver: server stopped', 'failure'],
  ['etcdserver: unhealthy cluster', 'failure'],
  ['etcdserver: corrupt cluster', 'failure'],
  // It answers, and Unavailable in its place would hide the exact error.
  ['etcdserver: mvcc: database space exceeded', 'success'],
  // Unavailable up to etcd 3.5, though the member is well.
  ['etcdserver: not capable', 'success'],
  ['etcdserver: rpc not supported for learner', 'success'],
  ['etcdserver: cluster version not found during downgrade', 'success'],
  // The lock and election services report their caller's end as Unknown.
  ['context canceled', 'neutral'],
  ['context deadline exceeded', 'neutral'],
]);

/** Followed by nothing, or by what etcd suspects behind it. */
const timedOut = 'etcdserver: request timed out';

/** What etcd's lock and election services say when they refuse, always as Unknown. */
const ownWords = ['etcdserver: ', 'election: ', 'mutex: ', '"leader" field must be provided'];

/** `waitedMs`: how long the cluster had for its answer. */
export function classify(status: Status, waitedMs: number): Verdict {
  if (status.code === Code.OK) return 'success';
  if (status.origin === 'proxy') {
    return status.code === Code.DEADLINE_EXCEEDED ? afterDeadline(waitedMs) : 'neutral';
  }
  if (status.origin !== 'peer') return 'failure';
  const verdict = byText.get(status.text) ?? byCode(status);
  return verdict === 'neutral' && status.code === Code.DEADLINE_EXCEEDED
    ? afterDeadline(waitedMs)
    : verdict;
}

/** The client's own deadline passed without an answer. */
export function afterDeadline(waitedMs: number): Verdict {
  return waitedMs >= serverTimeoutMs ? 'failure' : 'neutral';
}

function byCode({ code, text }: Status): Verdict {
  switch (code) {
    case Code.CANCELLED:
    case Code.DEADLINE_EXCEEDED:
      return 'neutral';
    case Code.UNKNOWN:
      if (text.startsWith(timedOut)) return 'failure';
      return ownWords.some((words) => text.startsWith(words)) ? 'success' : 'failure';
    case Code.UNAVAILABLE:
    case Code.INTERNAL:
    case Code.DATA_LOSS:
      return 'failure';
    default:
      // A code that gRPC does not have is no answer of a healthy etcd.
      return code > Code.UNAUTHENTICATED ? 'failure' : 'success';
  }
}
