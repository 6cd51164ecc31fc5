import { expect, test } from 'vitest';
import { forwarded } from '../../../src/upstream/forwarded-metadata.ts';

const sent = [
  ...['user-agent', 'grpc-go', 'token', 'abc', 'hasleader', 'true', 'x-tenant', 'other'],
  ...['client-api-version', '3.5.0', 'authorization', 'Bearer def', 'token', 'second'],
];

test('metadata that etcd understands is forwarded, and nothing else', () => {
  expect(forwarded(sent, true)).toEqual([
    ...['hasleader', 'true', 'client-api-version', '3.5.0'],
    ...['token', 'abc', 'authorization', 'Bearer def'],
  ]);
});

test('credentials are not forwarded if the proxy sends its own', () => {
  expect(forwarded(sent, false)).toEqual(['hasleader', 'true', 'client-api-version', '3.5.0']);
});
