import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { Code, type Origin, ok, status } from '../../../src/grpc/status.ts';
import { classify, type Verdict } from '../../../src/guard/classify.ts';

const { UNAVAILABLE, UNKNOWN, INTERNAL, RESOURCE_EXHAUSTED } = Code;

const ofPeers: readonly [Verdict, number, string][] = [
  ['failure', UNAVAILABLE, 'etcdserver: no leader'],
  ['failure', UNAVAILABLE, 'etcdserver: server stopped'],
  ['failure', UNAVAILABLE, 'etcdserver: request timed out'],
  ['failure', UNAVAILABLE, 'etcdserver: request timed out, possibly due to connection lost'],
  ['failure', UNAVAILABLE, 'etcdserver: unhealthy cluster'],
  ['failure', UNAVAILABLE, 'something that etcd does not say'],
  ['failure', UNKNOWN, 'etcdserver: no leader'],
  ['failure', UNKNOWN, 'etcdserver: request timed out'],
  ['failure', INTERNAL, 'etcdserver: oh no'],
  ['failure', Code.DATA_LOSS, 'etcdserver: corrupt cluster'],
  ['failure', UNKNOWN, 'a raw internal error'],
  ['failure', 99, 'a code that does not exist'],
  ['half-failure', UNAVAILABLE, 'etcdserver: leader changed'],
  ['overload', RESOURCE_EXHAUSTED, 'etcdserver: too many requests'],
  ['overload', UNKNOWN, 'etcdserver: too many requests'],
  ['overload', UNAVAILABLE, 'etcdserver: too many requests'],
  ['success', RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  ['success', UNKNOWN, 'etcdserver: mvcc: database space exceeded'],
  ['success', RESOURCE_EXHAUSTED, 'grpc: received message larger than max'],
  ['success', UNKNOWN, 'election: not leader'],
  ['success', UNKNOWN, 'mutex: session is expired'],
  ['success', UNKNOWN, 'etcdserver: requested lease not found'],
  ['success', UNKNOWN, '"leader" field must be provided'],
  ['success', UNAVAILABLE, 'etcdserver: not capable'],
  ['success', UNAVAILABLE, 'etcdserver: rpc not supported for learner'],
  ['neutral', Code.CANCELLED, 'context canceled'],
  ['neutral', Code.CANCELLED, ''],
  ['neutral', UNKNOWN, 'context canceled'],
  ['neutral', Code.DEADLINE_EXCEEDED, 'context deadline exceeded'],
  ['success', Code.INVALID_ARGUMENT, 'etcdserver: key is not provided'],
  ['success', Code.NOT_FOUND, 'etcdserver: requested lease not found'],
  ['success', Code.ALREADY_EXISTS, ''],
  ['success', Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'],
  ['success', Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
  ['success', Code.PERMISSION_DENIED, 'etcdserver: permission denied'],
  ['success', Code.UNAUTHENTICATED, 'etcdserver: invalid auth token'],
  ['success', Code.UNIMPLEMENTED, 'unknown service'],
  ['success', Code.ABORTED, ''],
];

const ofOthers: readonly [Verdict, Origin][] = [
  ['failure', 'unsent'],
  ['failure', 'lost'],
  ['neutral', 'proxy'],
];

describe('what the end of a call says about the cluster', () => {
  test.each(ofPeers)('%s: code %i "%s"', (verdict, code, text) => {
    expect(classify(status(code, text, 'peer'), 0)).toBe(verdict);
  });

  test.each(ofOthers)('%s: Unavailable of origin %s', (verdict, origin) => {
    expect(classify(status(UNAVAILABLE, 'connection reset', origin), 0)).toBe(verdict);
  });

  test('an answer is a success, and our own refusals say nothing', () => {
    expect(classify(ok, 0)).toBe('success');
    expect(classify(refusal('namespace-violation'), 0)).toBe('neutral');
  });

  test('a deadline counts only when etcd had the time to find out by itself', () => {
    const late = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded', 'peer');
    expect(classify(late, 6_999)).toBe('neutral');
    expect(classify(late, 7_000)).toBe('failure');
  });
});
