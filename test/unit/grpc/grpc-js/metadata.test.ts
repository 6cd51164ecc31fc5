import { expect, test } from 'vitest';
import { fromGrpcMetadata, toGrpcMetadata } from '../../../../src/grpc/grpc-js/metadata.ts';

test('metadata is unchanged after a round trip through the library', () => {
  const flat = ['token', 'a.1', 'twice', 'x', 'twice', 'y', 'blob-bin', 'AAH/'];
  expect(fromGrpcMetadata(toGrpcMetadata(flat))).toEqual(flat);
});

test.each([
  ['token', 'line\nbreak'],
  ['token', 'ümlaut'],
  ['bad name', 'x'],
  ['', 'x'],
])('%j with the value %j is rejected as not valid in a header', (name, value) => {
  expect(() => toGrpcMetadata([name, value])).toThrow();
});
