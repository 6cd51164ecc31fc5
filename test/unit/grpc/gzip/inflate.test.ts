import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  InflateFault,
  inflateAtOnce,
  inflatedBytesMax,
  inflateOnThread,
} from '../../../../src/grpc/gzip/inflate.ts';
import { Code } from '../../../../src/grpc/status.ts';

const limit = 2_097_152;
const text = Buffer.from('a message that repeats itself, '.repeat(20));
const whole = gzipSync(text);

function changed(at: number, from = whole): Buffer {
  const copy = Buffer.from(from);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}

/** With optional parts in the header. */
function withHeader(flags: number, ...parts: readonly Buffer[]): Buffer {
  const head = Buffer.from(whole.subarray(0, 10));
  head[3] = flags;
  return Buffer.concat([head, ...parts, whole.subarray(10)]);
}

function onThread(message: Buffer, bytesMax = limit): Promise<Buffer | InflateFault> {
  return new Promise((resolve) => inflateOnThread(message, bytesMax, resolve));
}

const valid: [string, Buffer, Buffer][] = [
  ['one member', whole, text],
  ['no bytes', gzipSync(Buffer.alloc(0)), Buffer.alloc(0)],
  [
    'three members',
    Buffer.concat([whole, gzipSync(Buffer.alloc(0)), whole]),
    Buffer.concat([text, text]),
  ],
  ['an extra field', withHeader(4, Buffer.from([3, 0, 1, 2, 3])), text],
  ['a name and a comment', withHeader(24, Buffer.from('name\0comment\0')), text],
  ['bytes that do not shrink', gzipSync(Buffer.from([7])), Buffer.from([7])],
];

/** The texts are those of etcd 3.5 to 3.7, which the conformance suite compares. */
const invalid: [string, Buffer, string][] = [
  ['no header', Buffer.alloc(0), 'failed to decompress the message: EOF'],
  ['a short header', whole.subarray(0, 5), 'failed to decompress the message: unexpected EOF'],
  [
    'another format',
    Buffer.from('nonsense, nonsense'),
    'failed to decompress the message: gzip: invalid header',
  ],
  [
    'an extra field that is cut off',
    withHeader(4, Buffer.from([0xff, 0xff])),
    'failed to decompress the message: unexpected EOF',
  ],
  [
    'a name without an end',
    withHeader(8).subarray(0, 30).fill('n', 10),
    'failed to decompress the message: unexpected EOF',
  ],
  [
    'a name that is too long',
    withHeader(8, Buffer.alloc(600, 'n')),
    'failed to decompress the message: gzip: invalid header',
  ],
  [
    'data that is cut off',
    whole.subarray(0, -9),
    'failed to read decompressed data: unexpected EOF',
  ],
  ['a cut trailer', whole.subarray(0, -3), 'failed to read decompressed data: unexpected EOF'],
  ['a wrong checksum', changed(-6), 'failed to read decompressed data: gzip: invalid checksum'],
  ['a wrong length', changed(-4), 'failed to read decompressed data: gzip: invalid checksum'],
  ['corrupt data', changed(10), 'failed to read decompressed data: flate: corrupt input'],
  [
    'zeros behind it',
    Buffer.concat([whole, Buffer.alloc(20)]),
    'failed to read decompressed data: gzip: invalid header',
  ],
  [
    'a few zeros behind it',
    Buffer.concat([whole, Buffer.alloc(2)]),
    'failed to read decompressed data: unexpected EOF',
  ],
  [
    'text behind it',
    Buffer.concat([whole, Buffer.alloc(20, 'x')]),
    'failed to read decompressed data: gzip: invalid header',
  ],
  [
    'a second member that is cut off',
    Buffer.concat([whole, whole.subarray(0, 12)]),
    'failed to read decompressed data: unexpected EOF',
  ],
];

describe('a message', () => {
  test.each(valid)('is inflated, at once and on a thread: %s', async (_, message, expected) => {
    expect(inflateAtOnce(message, limit)).toEqual(expected);
    expect(await onThread(message)).toEqual(expected);
  });

  test.each(invalid)('is rejected with the text of grpc-go: %s', async (_, message, expected) => {
    expect(inflateAtOnce(message, limit) ?? (await onThread(message))).toEqual(
      new InflateFault(Code.INTERNAL, `grpc: ${expected}`),
    );
  });

  test.each(invalid.filter(([, , expected]) => expected.includes('read decompressed')))(
    'is rejected on a thread in the same way: %s',
    async (_, message, expected) => {
      expect(await onThread(message)).toEqual(new InflateFault(Code.INTERNAL, `grpc: ${expected}`));
    },
  );

  test('that inflates to more than 16 KiB is not inflated at once, whatever it announces', () => {
    const long = gzipSync(Buffer.alloc(20_000));
    expect(inflateAtOnce(long, limit)).toBeNull();
    const lying = Buffer.concat([long, gzipSync(Buffer.alloc(1))]);
    expect(inflateAtOnce(lying, limit)).toBeNull();
    expect(inflateAtOnce(gzipSync(Buffer.alloc(16_384)), limit)).toHaveLength(16_384);
  });

  test('is inflated up to the limit and no further', async () => {
    const tooLong = (bytesMax: number) =>
      new InflateFault(
        Code.RESOURCE_EXHAUSTED,
        `grpc: received message after decompression larger than max ${bytesMax}`,
      );
    expect(inflateAtOnce(whole, text.length)).toEqual(text);
    expect(inflateAtOnce(whole, text.length - 1)).toEqual(tooLong(text.length - 1));
    const bomb = gzipSync(Buffer.alloc(100_000_000));
    expect(await onThread(bomb, 100_000_000)).toHaveLength(100_000_000);
    expect(await onThread(bomb)).toEqual(tooLong(limit));
    const members = Buffer.concat(Array.from({ length: 500 }, () => gzipSync(Buffer.alloc(5_000))));
    expect(await onThread(members)).toEqual(tooLong(limit));
  });

  test('cannot inflate to more than was reserved for it', () => {
    const bytes = Buffer.alloc(1_000_000);
    expect(inflatedBytesMax(gzipSync(bytes, { level: 9 }), limit)).toBeGreaterThanOrEqual(
      1_000_000,
    );
    expect(inflatedBytesMax(Buffer.alloc(100_000), limit)).toBe(limit);
  });

  test('with a wrong announced length leaves no large chunk behind its result', async () => {
    const lying = Buffer.concat([gzipSync(Buffer.alloc(100_000, 'x')), whole]);
    lying.writeUInt32LE(text.length, lying.length - 4);
    const result = await onThread(lying);
    expect(result).toBeInstanceOf(Buffer);
    expect((result as Buffer).buffer.byteLength).toBeLessThan(210_000);
  });
});
