import { describe, expect, test } from 'vitest';
import { Reader, WireType } from '../../../src/protobuf/reader.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { slowMessage, slowVarint } from '../../support/slow-rewriter.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function isMalformed(source: Uint8Array): boolean {
  const reader = new Reader(source);
  while (reader.next());
  return reader.malformed;
}

describe('a reader', () => {
  test('iterates over every kind of field with its offsets', () => {
    const source = Buffer.concat([
      slowMessage([1, 300n], [2, 'key'], [100, -1n]),
      bytes(0x19, 1, 2, 3, 4, 5, 6, 7, 8),
      bytes(0x25, 1, 2, 3, 4),
    ]);
    const reader = new Reader(source);
    const seen: unknown[] = [];
    const pieces: Uint8Array[] = [];
    while (reader.next()) {
      pieces.push(reader.raw());
      seen.push([reader.field, reader.wireType]);
      if (reader.field === 1) expect(reader.number()).toBe(300);
      if (reader.field === 2) expect(Buffer.from(reader.bytes()).toString()).toBe('key');
      if (reader.field === 100) expect(reader.int64()).toBe(-1n);
    }
    expect(reader.malformed).toBe(false);
    expect(seen).toEqual([
      [1, WireType.VARINT],
      [2, WireType.LEN],
      [100, WireType.VARINT],
      [3, WireType.I64],
      [4, WireType.I32],
    ]);
    expect(Buffer.concat(pieces)).toEqual(source);
  });

  test('reads int64 exactly, and as a number with the correct sign', () => {
    for (const value of [0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -1n, -(2n ** 63n)]) {
      const reader = new Reader(slowMessage([1, value]));
      expect(reader.next()).toBe(true);
      expect(reader.int64()).toBe(value);
      expect(reader.number()).toBe(Number(value));
      expect(reader.bool()).toBe(value !== 0n);
    }
  });

  test('reads nested messages', () => {
    const reader = new Reader(slowMessage([1, slowMessage([2, slowMessage([3, 7n])])]));
    reader.next();
    const inner = reader.message();
    inner.next();
    const innermost = inner.message();
    innermost.next();
    expect(innermost.number()).toBe(7);
  });

  test('is malformed after a getter for another wire type', () => {
    const reader = new Reader(slowMessage([1, 7n], [2, 'text']));
    reader.next();
    expect(reader.bytes()).toEqual(bytes());
    expect(reader.malformed).toBe(true);
    expect(reader.next()).toBe(false);
    expect(reader.int64()).toBe(0n);
  });

  test('accepts an empty message', () => {
    expect(isMalformed(bytes())).toBe(false);
  });

  test.each([
    ['a tag that is cut off', bytes(0x80)],
    ['field number 0', bytes(0x00, 0x01)],
    ['a varint that is cut off', bytes(0x08, 0x80)],
    ['a varint of eleven bytes', bytes(0x08, ...new Array(10).fill(0x80), 0x00)],
    ['a varint with a 65th bit', bytes(0x08, ...new Array(9).fill(0x80), 0x02)],
    ['a length beyond the end', bytes(0x0a, 0x02, 0x61)],
    ['a length of 2^32', bytes(0x0a, 0x80, 0x80, 0x80, 0x80, 0x10)],
    ['a length of six bytes', bytes(0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)],
    ['a length that is missing', bytes(0x0a)],
    ['the start of a group', bytes(0x0b)],
    ['the end of a group', bytes(0x0c)],
    ['wire type 6', bytes(0x0e, 0x00)],
    ['wire type 7', bytes(0x0f, 0x00)],
    ['64 bits that are cut off', bytes(0x09, 1, 2, 3, 4, 5, 6, 7)],
    ['32 bits that are cut off', bytes(0x0d, 1, 2, 3)],
    ['a field number of 2^32 + 1', Buffer.concat([slowVarint((2n ** 32n + 1n) << 3n), bytes(1)])],
    ['a field number of 2^29', Buffer.concat([slowVarint(2n ** 32n), bytes(1)])],
    ['a tag of six bytes', bytes(0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01)],
  ])('rejects %s', (_, source) => {
    expect(isMalformed(source)).toBe(true);
  });

  test.each([
    ['the highest field number', Buffer.concat([slowVarint((2n ** 29n - 1n) << 3n), bytes(1)])],
    ['a non-minimal tag', bytes(0x88, 0x80, 0x80, 0x80, 0x00, 0x01)],
    ['a non-minimal length', bytes(0x0a, 0x81, 0x80, 0x80, 0x80, 0x00, 0x61)],
    ['a non-minimal varint', bytes(0x08, ...new Array(9).fill(0x80), 0x00)],
  ])('accepts %s', (_, source) => {
    expect(isMalformed(source)).toBe(false);
  });
});

describe('a writer', () => {
  test('encodes all field types as the oracle does', () => {
    const written = new Writer()
      .varint(1, 5)
      .varint(2, -1)
      .varint(3, 2n ** 62n)
      .bool(4, true)
      .string(5, 'ü')
      .bytes(6, bytes(1, 2))
      .message(7, new Writer().varint(1, 1).finish())
      .raw(slowMessage([8, 'raw']))
      .finish();
    expect(new Uint8Array(written)).toEqual(
      new Uint8Array(
        slowMessage(
          [1, 5n],
          [2, -1n],
          [3, 2n ** 62n],
          [4, 1n],
          [5, Buffer.from('ü')],
          [6, bytes(1, 2)],
          [7, slowMessage([1, 1n])],
          [8, 'raw'],
        ),
      ),
    );
  });

  test('omits default values as proto3 does, but not an empty message', () => {
    const written = new Writer().varint(1, 0).bool(2, false).string(3, '').bytes(4, bytes());
    expect(written.finish().length).toBe(0);
    expect([...written.message(5, bytes()).finish()]).toEqual([0x2a, 0]);
  });
});
