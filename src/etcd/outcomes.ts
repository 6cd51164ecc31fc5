/**
 * What the end of a call means for a breaker, for an endpoint, for the proxy's own token and for the renewals of a shared
 * keepalive stream. Two tables hold the facts: etcd's error texts, and the gRPC codes for texts without a row. A text takes
 * precedence, because etcd sends several errors as Unknown or Unavailable although their text is more exact. Pure: how long a
 * call waited is a parameter.
 */
import { Code, type Origin, type Status } from '../grpc/status.ts';

/**
 * How long etcd tries to apply a proposal before it gives up: 5 s and two election timeouts of 1 s (etcd
 * server/config/config.go, ReqTimeout). A shorter silence means nothing.
 */
export const etcdTimeoutMs = 7_000;

/**
 * `success`      the cluster works, even if it rejected the request;
 * `failure`      the cluster could not serve the request;
 * `half-failure` a leader change, which is routine: two of them count as one failure and cannot open a breaker alone;
 * `overload`     the cluster sheds load;
 * `neutral`      means nothing for the cluster.
 */
export type BreakerVerdict = 'success' | 'failure' | 'half-failure' | 'overload' | 'neutral';

export type EndpointVerdict = 'alive' | 'failing' | 'neither';

/** `stale`: etcd rejected the call for its token and applied nothing. `unneeded`: etcd's authentication is disabled. */
export type TokenVerdict = 'valid' | 'stale' | 'unneeded';

/**
 * `member`    the member cannot renew any lease at present; another one, or the same one later, can.
 * `no-leader` the member has no leader.
 */
export type KeepAliveVerdict = 'member' | 'no-leader';

/** A column without a value does not depend on the text. The first row that matches and has a value counts. */
interface TextRow {
  readonly text: string;
  readonly match: 'exact' | 'prefix' | 'suffix';
  /** Null: any code. */
  readonly code: number | null;
  readonly breaker?: BreakerVerdict;
  readonly endpoint?: EndpointVerdict;
  readonly token?: TokenVerdict;
  readonly keepAlive?: KeepAliveVerdict;
}

const exact = { match: 'exact', code: null } as const;
/** etcd's lock and election services report every error as Unknown. */
const unknownPrefix = { match: 'prefix', code: Code.UNKNOWN } as const;

// biome-ignore format: a table, one text per row
const byText: readonly TextRow[] = [
  // Overload is not the fault of one member, and moving its calls elsewhere would spread the overload.
  { text: 'etcdserver: too many requests', ...exact, breaker: 'overload', endpoint: 'neither' },
  { text: 'too many requests', match: 'suffix', code: null, endpoint: 'neither' },
  { text: 'etcdserver: leader changed', ...exact, breaker: 'half-failure' },
  { text: 'etcdserver: no leader', ...exact, breaker: 'failure', keepAlive: 'no-leader' },
  { text: 'etcdserver: server stopped', ...exact, breaker: 'failure' },
  { text: 'etcdserver: unhealthy cluster', ...exact, breaker: 'failure' },
  { text: 'etcdserver: corrupt cluster', ...exact, breaker: 'failure' },
  // An open breaker would hide this error, which names the cause exactly.
  { text: 'etcdserver: mvcc: database space exceeded', ...exact, breaker: 'success' },
  // Sent as Unavailable up to etcd 3.5, although the member works.
  { text: 'etcdserver: not capable', ...exact, breaker: 'success' },
  { text: 'etcdserver: rpc not supported for learner', ...exact, breaker: 'success', keepAlive: 'member' },
  { text: 'etcdserver: cluster version not found during downgrade', ...exact, breaker: 'success' },
  // A leader that cannot confirm its leadership. Sent as Unknown (https://github.com/etcd-io/etcd/issues/21671).
  { text: 'not a primary lessor', ...exact, keepAlive: 'member' },
  // The lock and election services report the end of their caller as Unknown.
  { text: 'context canceled', ...exact, breaker: 'neutral' },
  { text: 'context deadline exceeded', ...exact, breaker: 'neutral' },
  { text: 'etcdserver: invalid auth token', ...exact, token: 'stale' },
  { text: 'etcdserver: revision of auth store is old', ...exact, token: 'stale' },
  { text: 'etcdserver: user name is empty', ...exact, token: 'stale' },
  { text: 'etcdserver: authentication is not enabled', ...exact, token: 'unneeded' },
  // Followed by nothing, or by the cause that etcd suspects.
  { text: 'etcdserver: request timed out', ...unknownPrefix, breaker: 'failure' },
  { text: 'etcdserver: ', ...unknownPrefix, breaker: 'success' },
  { text: 'election: ', ...unknownPrefix, breaker: 'success' },
  { text: 'mutex: ', ...unknownPrefix, breaker: 'success' },
  { text: '"leader" field must be provided', ...unknownPrefix, breaker: 'success' },
];

interface Verdicts {
  readonly breaker: BreakerVerdict;
  readonly endpoint: EndpointVerdict;
}

/** Statuses of etcd whose text has no row. */
const byCode: ReadonlyMap<number, Verdicts> = new Map([
  [Code.OK, { breaker: 'success', endpoint: 'alive' }],
  [Code.CANCELLED, { breaker: 'neutral', endpoint: 'alive' }],
  [Code.UNKNOWN, { breaker: 'failure', endpoint: 'alive' }],
  [Code.INVALID_ARGUMENT, { breaker: 'success', endpoint: 'alive' }],
  [Code.DEADLINE_EXCEEDED, { breaker: 'neutral', endpoint: 'alive' }],
  [Code.NOT_FOUND, { breaker: 'success', endpoint: 'alive' }],
  [Code.ALREADY_EXISTS, { breaker: 'success', endpoint: 'alive' }],
  [Code.PERMISSION_DENIED, { breaker: 'success', endpoint: 'alive' }],
  [Code.RESOURCE_EXHAUSTED, { breaker: 'success', endpoint: 'alive' }],
  [Code.FAILED_PRECONDITION, { breaker: 'success', endpoint: 'alive' }],
  [Code.ABORTED, { breaker: 'success', endpoint: 'alive' }],
  [Code.OUT_OF_RANGE, { breaker: 'success', endpoint: 'alive' }],
  [Code.UNIMPLEMENTED, { breaker: 'success', endpoint: 'alive' }],
  [Code.INTERNAL, { breaker: 'failure', endpoint: 'failing' }],
  [Code.UNAVAILABLE, { breaker: 'failure', endpoint: 'failing' }],
  [Code.DATA_LOSS, { breaker: 'failure', endpoint: 'failing' }],
  [Code.UNAUTHENTICATED, { breaker: 'success', endpoint: 'alive' }],
]);

/** A working etcd sends only codes that gRPC defines. */
const undefinedCode: Verdicts = { breaker: 'failure', endpoint: 'alive' };

/** Statuses that etcd did not send. */
const byOrigin: Readonly<Record<Exclude<Origin, 'peer'>, Verdicts>> = {
  proxy: { breaker: 'neutral', endpoint: 'neither' },
  unsent: { breaker: 'failure', endpoint: 'failing' },
  lost: { breaker: 'failure', endpoint: 'failing' },
};

/** `waitedMs`: how long the cluster had for its response. */
export function classifyForBreaker(status: Status, waitedMs: number): BreakerVerdict {
  if (status.code === Code.OK) return 'success';
  const verdict = findRow(status, 'breaker')?.breaker ?? withoutText(status).breaker;
  return verdict === 'neutral' && status.code === Code.DEADLINE_EXCEEDED
    ? breakerVerdictAtDeadline(waitedMs)
    : verdict;
}

/** The deadline of the client expired before the response. */
export function breakerVerdictAtDeadline(waitedMs: number): BreakerVerdict {
  return waitedMs >= etcdTimeoutMs ? 'failure' : 'neutral';
}

/**
 * `timeoutMs`: how long the call was allowed to take. A member that enforces the deadline itself resets the stream (grpc-go
 * since 1.83). Such a call ends with origin `lost` past its deadline, although the connection works.
 */
export function classifyForEndpoint(
  status: Status,
  timeoutMs: number,
  isPastDeadline: boolean,
): EndpointVerdict {
  const { code, origin } = status;
  if (code === Code.OK) return 'alive';
  const isTimeout =
    origin === 'lost' ? isPastDeadline : origin === 'proxy' && code === Code.DEADLINE_EXCEEDED;
  if (isTimeout) return timeoutMs >= etcdTimeoutMs ? 'failing' : 'neither';
  return findRow(status, 'endpoint')?.endpoint ?? withoutText(status).endpoint;
}

const learnerText = 'etcdserver: rpc not supported for learner';

/** Whether a learner has rejected the call, which it then has not processed. Unavailable up to etcd 3.5, then FailedPrecondition. */
export function isRejectedByLearner({ origin, text }: Status): boolean {
  return origin === 'peer' && text === learnerText;
}

export function classifyForToken(status: Status): TokenVerdict {
  return findRow(status, 'token')?.token ?? 'valid';
}

/**
 * What the reason of a rejected create of a watch says about the token, which etcd checks for each create. Older releases give a
 * stale token the same reason as a user without permission. `reason` is Go's text of a status.
 */
export function classifyRejectedCreate(reason: string): 'valid' | 'stale' | 'stale or denied' {
  if (reason.endsWith(deniedText)) return 'stale or denied';
  return byText.some(({ text, token }) => token === 'stale' && reason.endsWith(text))
    ? 'stale'
    : 'valid';
}

const deniedText = 'etcdserver: permission denied';

/** Null: the text says nothing about the member. */
export function classifyForKeepAlive(status: Status): KeepAliveVerdict | null {
  return findRow(status, 'keepAlive')?.keepAlive ?? null;
}

function findRow(
  { origin, code, text }: Status,
  column: 'breaker' | 'endpoint' | 'token' | 'keepAlive',
): TextRow | null {
  if (origin !== 'peer') return null;
  for (const row of byText) {
    if (row[column] === undefined || (row.code !== null && row.code !== code)) continue;
    if (matches(row, text)) return row;
  }
  return null;
}

function matches(row: TextRow, text: string): boolean {
  switch (row.match) {
    case 'exact':
      return text === row.text;
    case 'prefix':
      return text.startsWith(row.text);
    case 'suffix':
      return text.endsWith(row.text);
    default:
      return row.match satisfies never;
  }
}

function withoutText({ origin, code }: Status): Verdicts {
  return origin === 'peer' ? (byCode.get(code) ?? undefinedCode) : byOrigin[origin];
}
