import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { fromGrpcStatus } from '../../../../src/grpc/grpc-js/status.ts';
import { Code, ok } from '../../../../src/grpc/status.ts';

function ended(code: number, details: string, trailers: Record<string, string> = {}): StatusObject {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return { code, details, metadata };
}

test.each([
  [Code.UNAVAILABLE, 'No connection established. Last error: x. Resolution note: ', 'unsent'],
  [Code.UNAVAILABLE, 'Stream refused by server', 'unsent'],
  [Code.INTERNAL, 'Failed to start HTTP/2 stream with error The session is closed', 'unsent'],
  [Code.UNAVAILABLE, 'Connection dropped', 'lost'],
  [Code.UNAVAILABLE, 'read ECONNRESET', 'lost'],
  [Code.CANCELLED, 'Call cancelled', 'lost'],
  [Code.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)', 'lost'],
  [Code.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded', 'lost'],
])('an error of grpc-js itself, %i %s, is Unavailable and %s', (code, text, origin) => {
  expect(fromGrpcStatus(ended(code, text), false)).toMatchObject({
    code: Code.UNAVAILABLE,
    text,
    origin,
  });
});

test('a deadline that passed here has the origin proxy, one that etcd reported the origin peer', () => {
  const here = ended(
    Code.DEADLINE_EXCEEDED,
    'Deadline exceeded after 0.1s,remote_addr=1.2.3.4:2379',
  );
  expect(fromGrpcStatus(here, false).origin).toBe('proxy');
  const there = ended(Code.DEADLINE_EXCEEDED, 'context deadline exceeded');
  expect(fromGrpcStatus(there, false).origin).toBe('peer');
});

test.each([
  [Code.UNAVAILABLE, 'etcdserver: no leader'],
  [Code.CANCELLED, 'etcdserver: request canceled'],
  [Code.UNKNOWN, 'etcdserver: too many requests'],
  [Code.INTERNAL, 'grpc: error unmarshalling request'],
])('a status of etcd is unchanged: %i %s', (code, text) => {
  expect(fromGrpcStatus(ended(code, text), true)).toEqual({
    code,
    text,
    trailers: [],
    origin: 'peer',
  });
});

test('a peer cannot make a call with a response look as if it was never sent', () => {
  const text = 'Stream refused by server';
  expect(fromGrpcStatus(ended(Code.UNAVAILABLE, text), true).origin).toBe('lost');
  const onItsOwn = ended(Code.UNAVAILABLE, text, { 'content-type': 'application/grpc' });
  expect(fromGrpcStatus(onItsOwn, false).origin).toBe('peer');
});

test('a status that is not a number is Unknown', () => {
  expect(fromGrpcStatus(ended(Number.NaN, 'odd'), true).code).toBe(Code.UNKNOWN);
});

test('an OK without text or trailers is one shared object', () => {
  expect(fromGrpcStatus(ended(Code.OK, ''), true)).toBe(ok);
});
