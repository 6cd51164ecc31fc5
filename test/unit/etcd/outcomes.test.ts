import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import {
  type BreakerVerdict,
  classifyForBreaker,
  classifyForEndpoint,
  classifyForToken,
  type EndpointVerdict,
  etcdTimeoutMs,
  type TokenVerdict,
} from '../../../src/etcd/outcomes.ts';
import { Code, type Origin, ok, status } from '../../../src/grpc/status.ts';

const { UNAVAILABLE, UNKNOWN, INTERNAL, RESOURCE_EXHAUSTED } = Code;

const ofEtcd: readonly [BreakerVerdict, EndpointVerdict, number, string][] = [
  ['failure', 'failing', UNAVAILABLE, 'etcdserver: no leader'],
  ['failure', 'failing', UNAVAILABLE, 'etcdserver: server stopped'],
  ['failure', 'failing', UNAVAILABLE, 'etcdserver: request timed out'],
  [
    'failure',
    'failing',
    UNAVAILABLE,
    'etcdserver: request timed out, possibly due to connection lost',
  ],
  ['failure', 'failing', UNAVAILABLE, 'etcdserver: unhealthy cluster'],
  ['failure', 'failing', UNAVAILABLE, 'a text that etcd does not use'],
  ['failure', 'alive', UNKNOWN, 'etcdserver: no leader'],
  ['failure', 'alive', UNKNOWN, 'etcdserver: server stopped'],
  ['failure', 'alive', UNKNOWN, 'etcdserver: unhealthy cluster'],
  ['failure', 'alive', UNKNOWN, 'etcdserver: corrupt cluster'],
  ['failure', 'alive', UNKNOWN, 'etcdserver: request timed out'],
  ['failure', 'failing', INTERNAL, 'etcdserver: oh no'],
  ['failure', 'failing', Code.DATA_LOSS, 'etcdserver: corrupt cluster'],
  ['failure', 'alive', UNKNOWN, 'a raw internal error'],
  ['failure', 'alive', 99, 'a code that does not exist'],
  ['half-failure', 'failing', UNAVAILABLE, 'etcdserver: leader changed'],
  ['half-failure', 'alive', UNKNOWN, 'etcdserver: leader changed'],
  ['overload', 'neither', RESOURCE_EXHAUSTED, 'etcdserver: too many requests'],
  ['overload', 'neither', UNKNOWN, 'etcdserver: too many requests'],
  ['overload', 'neither', UNAVAILABLE, 'etcdserver: too many requests'],
  ['failure', 'neither', UNAVAILABLE, 'desc = etcdserver: too many requests'],
  ['success', 'alive', RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'],
  ['success', 'alive', UNKNOWN, 'etcdserver: mvcc: database space exceeded'],
  ['success', 'alive', RESOURCE_EXHAUSTED, 'grpc: received message larger than max'],
  ['success', 'alive', UNKNOWN, 'election: not leader'],
  ['success', 'alive', UNKNOWN, 'mutex: session is expired'],
  ['success', 'alive', UNKNOWN, 'etcdserver: requested lease not found'],
  ['success', 'alive', UNKNOWN, '"leader" field must be provided'],
  ['success', 'failing', UNAVAILABLE, 'etcdserver: not capable'],
  ['success', 'failing', UNAVAILABLE, 'etcdserver: rpc not supported for learner'],
  ['success', 'failing', UNAVAILABLE, 'etcdserver: cluster version not found during downgrade'],
  ['neutral', 'alive', Code.CANCELLED, 'context canceled'],
  ['neutral', 'alive', Code.CANCELLED, ''],
  ['neutral', 'alive', UNKNOWN, 'context canceled'],
  ['neutral', 'alive', UNKNOWN, 'context deadline exceeded'],
  ['neutral', 'alive', Code.DEADLINE_EXCEEDED, 'context deadline exceeded'],
  ['success', 'alive', Code.INVALID_ARGUMENT, 'etcdserver: key is not provided'],
  ['success', 'alive', Code.NOT_FOUND, 'etcdserver: requested lease not found'],
  ['success', 'alive', Code.ALREADY_EXISTS, ''],
  ['success', 'alive', Code.FAILED_PRECONDITION, 'etcdserver: lease already exists'],
  ['success', 'alive', Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
  ['success', 'alive', Code.PERMISSION_DENIED, 'etcdserver: permission denied'],
  ['success', 'alive', Code.UNAUTHENTICATED, 'etcdserver: invalid auth token'],
  ['success', 'alive', Code.UNIMPLEMENTED, 'unknown service'],
  ['success', 'alive', Code.ABORTED, ''],
];

describe('a status of etcd', () => {
  test.each(ofEtcd)('is %s and %s: code %i "%s"', (breaker, endpoint, code, text) => {
    const ended = status(code, text, 'peer');
    expect(classifyForBreaker(ended, 0)).toBe(breaker);
    expect(classifyForEndpoint(ended, Infinity, false)).toBe(endpoint);
  });

  test('is success and alive if it is OK', () => {
    expect(classifyForBreaker(ok, 0)).toBe('success');
    expect(classifyForEndpoint(ok, Infinity, false)).toBe('alive');
    expect(classifyForToken(ok)).toBe('valid');
  });
});

const ofOthers: readonly [BreakerVerdict, EndpointVerdict, Origin][] = [
  ['failure', 'failing', 'unsent'],
  ['failure', 'failing', 'lost'],
  ['neutral', 'neither', 'proxy'],
];

describe('a status that etcd did not send', () => {
  test.each(ofOthers)('is %s and %s: origin %s', (breaker, endpoint, origin) => {
    // The text of another origin does not count.
    for (const text of ['connection reset', 'etcdserver: too many requests']) {
      const ended = status(UNAVAILABLE, text, origin);
      expect(classifyForBreaker(ended, 0)).toBe(breaker);
      expect(classifyForEndpoint(ended, Infinity, false)).toBe(endpoint);
    }
  });

  test('is neutral if the proxy rejected the call', () => {
    expect(classifyForBreaker(refusal('namespace-violation'), 0)).toBe('neutral');
  });
});

describe('a deadline', () => {
  test('counts for the breaker only if etcd had the time to detect the failure itself', () => {
    for (const origin of ['peer', 'proxy'] as const) {
      const late = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded', origin);
      expect(classifyForBreaker(late, etcdTimeoutMs - 1)).toBe('neutral');
      expect(classifyForBreaker(late, etcdTimeoutMs)).toBe('failure');
    }
  });

  test('counts for the endpoint only if etcd had the time to detect the failure itself', () => {
    const late = status(Code.DEADLINE_EXCEEDED, 'Deadline exceeded', 'proxy');
    expect(classifyForEndpoint(late, 100, false)).toBe('neither');
    expect(classifyForEndpoint(late, etcdTimeoutMs - 1, false)).toBe('neither');
    expect(classifyForEndpoint(late, etcdTimeoutMs, false)).toBe('failing');
  });

  test('that the member enforced with a reset does not count as a lost connection', () => {
    const reset = status(UNAVAILABLE, 'stream reset', 'lost');
    expect(classifyForEndpoint(reset, 1_000, true)).toBe('neither');
    expect(classifyForEndpoint(reset, 8_000, true)).toBe('failing');
    expect(classifyForEndpoint(reset, 1_000, false)).toBe('failing');
  });
});

const ofTokens: readonly [TokenVerdict, Origin, number, string][] = [
  ['stale', 'peer', Code.UNAUTHENTICATED, 'etcdserver: invalid auth token'],
  ['stale', 'peer', Code.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old'],
  ['stale', 'peer', Code.INVALID_ARGUMENT, 'etcdserver: user name is empty'],
  ['stale', 'peer', UNKNOWN, 'etcdserver: invalid auth token'],
  ['unneeded', 'peer', Code.FAILED_PRECONDITION, 'etcdserver: authentication is not enabled'],
  ['valid', 'peer', Code.PERMISSION_DENIED, 'etcdserver: permission denied'],
  ['valid', 'proxy', Code.UNAUTHENTICATED, 'etcdserver: invalid auth token'],
];

describe('the token of the proxy', () => {
  test.each(ofTokens)('is %s: origin %s, code %i "%s"', (verdict, origin, code, text) => {
    expect(classifyForToken(status(code, text, origin))).toBe(verdict);
  });
});
