/**
 * What client libraries make of refusals. etcd's client maps the texts of etcd's own errors to error types of their own, and
 * programs compare code and text. So a refusal has the code that etcd sends with its text, or a text that etcd does not have.
 */
import { expect, test } from 'vitest';
import { refusals } from '../../../src/call/refusals.ts';
import { Code } from '../../../src/grpc/status.ts';

/** etcd api/v3rpc/rpctypes/error.go. Locks check their key without a code. */
const codesOfEtcd: Readonly<Record<string, readonly number[]>> = {
  'etcdserver: key is not provided': [Code.INVALID_ARGUMENT, Code.UNKNOWN],
  'etcdserver: key not found': [Code.INVALID_ARGUMENT],
  'etcdserver: invalid sort option': [Code.INVALID_ARGUMENT],
  'etcdserver: too many operations in txn request': [Code.INVALID_ARGUMENT],
  'etcdserver: lease already exists': [Code.FAILED_PRECONDITION],
  'etcdserver: mvcc: required revision has been compacted': [Code.OUT_OF_RANGE],
  'etcdserver: mvcc: required revision is a future revision': [Code.OUT_OF_RANGE],
  'etcdserver: permission denied': [Code.PERMISSION_DENIED],
  'etcdserver: invalid auth token': [Code.UNAUTHENTICATED],
  'etcdserver: authentication failed, invalid user ID or password': [Code.INVALID_ARGUMENT],
  'etcdserver: authentication is not enabled': [Code.FAILED_PRECONDITION],
  'etcdserver: too many requests': [Code.RESOURCE_EXHAUSTED],
  'etcdserver: server stopped': [Code.UNAVAILABLE],
  'etcdserver: request timed out': [Code.UNAVAILABLE],
};

test.each(Object.entries(refusals))('%s has the code that etcd sends with its text', (_, row) => {
  const { code, text } = row;
  if (text.startsWith('etcdserver')) expect(codesOfEtcd[text] ?? []).toContain(code);
  else expect(text).toMatch(/^(etcd-bulkhead: |grpc: |context deadline)/);
});

test('what a direct client sees as a lost connection is no error type of etcd', () => {
  for (const name of ['upstream-lost', 'stream-violation', 'upstream-unauthenticated'] as const) {
    expect(refusals[name].code).toBe(Code.UNAVAILABLE);
    expect(refusals[name].text).toMatch(/^etcd-bulkhead: /);
  }
});
