/** Requests that a client compresses with gzip: all kinds of calls, and messages that are not valid or too long. */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { GrpcClient } from '../support/client.ts';
import { encodeRequest } from '../support/codec.ts';
import { isAtLeast } from '../support/etcd-release.ts';
import { type Field, FrameClient, type Outcome } from '../support/frame-client.ts';
import type { TargetKind } from '../support/target.ts';
import { differing } from './differences.ts';
import { bytes, nextEvents, useWorld, type WatchStream } from './world.ts';

/** In grpc-js' enumeration of algorithms. */
const gzipAlgorithm = 2;
const identity = 0;
const compressed = 1;
const zeroBytes = Buffer.alloc(0);
const frameBytesMax = 16_384;
const rangePath = '/etcdserverpb.KV/Range';
const watchPath = '/etcdserverpb.Watch/Watch';
const keepAlivePath = '/etcdserverpb.Lease/LeaseKeepAlive';

const range = encodeRequest('etcdserverpb.KV/Range', { key: bytes('a') });
const whole = gzipSync(range);

/** A PutRequest that is longer than any limit, in a few KB. */
const bomb = gzipSync(
  encodeRequest('etcdserverpb.KV/Put', { key: bytes('a'), value: Buffer.alloc(3_000_000) }),
);

function framed(flag: number, message: Buffer): Buffer {
  const prefix = Buffer.from([flag, 0, 0, 0, 0]);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function changed(at: number): Buffer {
  const copy = Buffer.from(whole);
  copy[copy.length + at] = (copy.at(at) ?? 0) ^ 0xff;
  return copy;
}

const inHeader = (text: string) => `grpc: failed to decompress the message: ${text}`;
const inData = (text: string) => `grpc: failed to read decompressed data: ${text}`;

/** With `grpc-encoding: gzip`. */
const served: [string, Buffer][] = [
  ['one member', framed(compressed, whole)],
  [
    'two members',
    framed(
      compressed,
      Buffer.concat([range.subarray(0, 1), range.subarray(1)].map((part) => gzipSync(part))),
    ),
  ],
  ['a message that is not compressed', framed(identity, range)],
];

const rejected: [string, Buffer, string | RegExp][] = [
  ['no bytes', Buffer.alloc(0), inHeader('EOF')],
  ['a cut header', whole.subarray(0, 5), inHeader('unexpected EOF')],
  ['another format', bytes('nonsense, nonsense'), inHeader('gzip: invalid header')],
  ['cut data', whole.subarray(0, -3), inData('unexpected EOF')],
  ['a wrong checksum', changed(-6), inData('gzip: invalid checksum')],
  ['a wrong length', changed(-1), inData('gzip: invalid checksum')],
  ['text behind it', Buffer.concat([whole, Buffer.alloc(20, 'x')]), inData('gzip: invalid header')],
  [
    'corrupt data',
    Buffer.concat([whole.subarray(0, 10), Buffer.alloc(50, 0xff)]),
    /failed to read decompressed data: flate: corrupt input/,
  ],
];

export function gzipSuite(kind: TargetKind): void {
  const world = useWorld(kind);
  let client: GrpcClient;

  beforeAll(() => {
    client = new GrpcClient(world.target.address, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': gzipAlgorithm,
    });
  });
  afterAll(() => client[Symbol.dispose]());

  /** Sends `body` as the only message of a call. `isOpen`: the client does not end its requests. */
  async function outcome(
    path: string,
    more: readonly Field[],
    body: Buffer,
    isOpen = false,
  ): Promise<Outcome> {
    await using frames = await FrameClient.connect(world.target.address);
    const head: Field[] = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'x'],
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
    ];
    await frames.batch(() => {
      frames.open(1, [...head, ...more], { end: false });
      for (let at = 0; at < body.length; at += frameBytesMax) {
        const isLast = at + frameBytesMax >= body.length && !isOpen;
        frames.frame(0, isLast ? 1 : 0, 1, body.subarray(at, at + frameBytesMax));
      }
    });
    return await frames.outcome(1);
  }

  const gzip: Field = ['grpc-encoding', 'gzip'];

  async function expectStatus(
    { fields }: Outcome,
    code: number,
    text: string | RegExp,
  ): Promise<void> {
    expect(fields).toContain(`grpc-status: ${code}`);
    // The library has texts of its own.
    const expected = differing<string | RegExp>(kind, 'library-texts', {
      etcd: text,
      instead: /./,
    });
    const message = fields.find((field) => field.startsWith('grpc-message: ')) ?? '';
    expect(message.slice('grpc-message: '.length)).toMatch(expected);
  }

  const isSupported = differing(kind, 'gzip', { etcd: isAtLeast(5), instead: true });
  if (!isSupported) {
    test('an etcd that does not inflate rejects the encoding', async () => {
      const got = await outcome(rangePath, [gzip], framed(compressed, whole));
      await expectStatus(
        got,
        Code.UNIMPLEMENTED,
        'grpc: Decompressor is not installed for grpc-encoding "gzip"',
      );
    });
    return;
  }

  describe('a client that compresses', () => {
    test.each([
      ['that repeats itself', (length: number) => Buffer.alloc(length, 'abc')],
      ['that does not shrink', (length: number) => randomBytes(length)],
    ])('reads back what it has put, of any length: a value %s', async (_, value) => {
      const k = world.keys();
      for (const length of [0, 1, 1_000, 16_384, 70_000, 1_500_000]) {
        const written = value(length);
        await client.call('etcdserverpb.KV/Put', { key: k('a'), value: written });
        const { kvs } = await client.call('etcdserverpb.KV/Range', { key: k('a') });
        expect(kvs[0]?.value.equals(written)).toBe(true);
      }
    });

    test('has many calls in flight, and each gets its own response', async () => {
      const k = world.keys();
      const numbers = Array.from({ length: 60 }, (_, i) => i);
      await Promise.all(
        numbers.map((i) =>
          client.call('etcdserverpb.KV/Put', { key: k(`${i}`), value: Buffer.alloc(i * 5_000, i) }),
        ),
      );
      const reads = numbers.map((i) => client.call('etcdserverpb.KV/Range', { key: k(`${i}`) }));
      for (const [i, { kvs }] of (await Promise.all(reads)).entries()) {
        expect(kvs[0]?.value).toEqual(Buffer.alloc(i * 5_000, i));
      }
    });

    test('has transactions, deletes and refusals', async () => {
      const k = world.keys();
      const { succeeded } = await client.call('etcdserverpb.KV/Txn', {
        compare: [{ key: k('a'), target: 'VERSION', result: 'EQUAL', version: 0 }],
        success: [{ request_put: { key: k('a'), value: bytes('1') } }],
      });
      expect(succeeded).toBe(true);
      const { deleted } = await client.call('etcdserverpb.KV/DeleteRange', k.all);
      expect(deleted).toBe('1');
      const empty = client.call('etcdserverpb.KV/Range', { key: Buffer.alloc(0) });
      await expect(empty).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT });
    });

    test('watches', async () => {
      const k = world.keys();
      using stream: WatchStream = client.stream('etcdserverpb.Watch/Watch');
      stream.send({ create_request: { ...k.all, watch_id: 7 } });
      expect(await stream.next()).toMatchObject({ created: true, watch_id: '7' });
      await world.fill(k, 'a', 'b');
      await expect(nextEvents(stream, 2)).resolves.toEqual(['PUT a=a', 'PUT b=b']);
      stream.send({ cancel_request: { watch_id: 7 } });
      expect(await stream.next()).toMatchObject({ canceled: true, watch_id: '7' });
    });

    test('has the requests of a stream handled in order, whatever their lengths', async () => {
      const k = world.keys();
      using stream: WatchStream = client.stream('etcdserverpb.Watch/Watch');
      const ids = Array.from({ length: 40 }, (_, i) => i + 1);
      for (const id of ids) {
        // A long range end, so that every third request takes longer to inflate.
        const filler = id % 3 === 0 ? Buffer.alloc(200_000, 'z') : zeroBytes;
        const range_end = Buffer.concat([k.all.range_end, filler]);
        stream.send({ create_request: { key: k.all.key, range_end, watch_id: id } });
      }
      for (const id of ids) {
        expect(await stream.next()).toMatchObject({ created: true, watch_id: `${id}` });
      }
      stream.end();
      await world.fill(k, 'a');
      const events = new Set<string>();
      while (events.size < ids.length) events.add((await stream.next()).watch_id);
    });

    test('renews leases', async () => {
      const lease = await world.grant(60);
      using stream = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
      for (let i = 0; i < 5; i += 1) stream.send({ ID: lease });
      for (let i = 0; i < 5; i += 1) {
        expect(await stream.next()).toMatchObject({ ID: lease, TTL: '60' });
      }
      stream.end();
      expect((await stream.ended()).code).toBe(Code.OK);
    });

    test.skipIf(!isAtLeast(7))('reads a range in pieces', async () => {
      const k = world.keys();
      await world.fill(k, 'a', 'b');
      using stream = client.stream('etcdserverpb.KV/RangeStream');
      stream.send(k.all);
      stream.end();
      expect((await stream.next()).range_response.count).toBe('2');
    });

    test('may change its mind within a stream', async () => {
      const k = world.keys();
      await using frames = await FrameClient.connect(world.target.address);
      const create = encodeRequest('etcdserverpb.Watch/Watch', { create_request: k.all });
      await frames.batch(() => {
        frames.open(
          1,
          [
            [':method', 'POST'],
            [':scheme', 'http'],
            [':path', watchPath],
            [':authority', 'x'],
            ['te', 'trailers'],
            ['content-type', 'application/grpc'],
            gzip,
          ],
          { end: false },
        );
        for (const flag of [identity, compressed, identity, compressed]) {
          frames.frame(0, 0, 1, framed(flag, flag === compressed ? gzipSync(create) : create));
        }
      });
      await frames.received(1, 4);
    });
  });

  describe('with the encoding gzip', () => {
    test.each(served)('is accepted: %s', async (_, body) => {
      const { fields } = await outcome(rangePath, [gzip], body);
      expect(fields).toContain('grpc-status: 0');
    });

    test('an empty message is a message', async () => {
      const got = await outcome(rangePath, [gzip], framed(compressed, gzipSync(Buffer.alloc(0))));
      await expectStatus(got, Code.INVALID_ARGUMENT, 'etcdserver: key is not provided');
    });

    test.each(rejected)('is Internal: %s', async (_, message, text) => {
      const body = framed(compressed, message);
      await expectStatus(await outcome(rangePath, [gzip], body), Code.INTERNAL, text);
      for (const path of [watchPath, keepAlivePath]) {
        await expectStatus(await outcome(path, [gzip], body, true), Code.INTERNAL, text);
      }
    });

    test('a message that inflates to more than the limit is not inflated any further', async () => {
      const text = 'grpc: received message after decompression larger than max 2097152';
      const body = framed(compressed, bomb);
      await expectStatus(await outcome(rangePath, [gzip], body), Code.RESOURCE_EXHAUSTED, text);
      for (const path of [watchPath, keepAlivePath]) {
        const got = await outcome(path, [gzip], body, true);
        await expectStatus(got, Code.RESOURCE_EXHAUSTED, text);
      }
      await world.fill(world.keys(), 'alive');
    });

    test('an unknown flag is Internal', async () => {
      if (kind.transport === 'grpc-js') return; // The library reads it as no compression.
      const got = await outcome(rangePath, [gzip], framed(2, whole));
      await expectStatus(got, Code.INTERNAL, 'grpc: received unexpected payload format 2');
    });
  });

  const unnamed: [string, Field[]][] = [
    ['no', []],
    ['the identity', [['grpc-encoding', 'identity']]],
  ];
  // The library keeps the first of two encodings.
  if (kind.transport !== 'grpc-js') {
    unnamed.push(['at last the identity', [gzip, ['grpc-encoding', 'identity']]]);
  }

  test.each(unnamed)('a compressed message with %s as encoding is Internal', async (_, more) => {
    for (const [path, isOpen] of [
      [rangePath, false],
      [watchPath, true],
    ] as const) {
      const got = await outcome(path, more, framed(compressed, whole), isOpen);
      await expectStatus(
        got,
        Code.INTERNAL,
        /compressed flag set with identity or empty encoding$/,
      );
    }
  });

  test.each(['zstd', 'deflate', 'GZIP', 'snappy'])(
    'the encoding %s is Unimplemented',
    async (name) => {
      const isUnknown =
        name !== 'deflate' || differing(kind, 'deflate', { etcd: true, instead: false });
      if (!isUnknown) return;
      for (const [path, isOpen] of [
        [rangePath, false],
        [watchPath, true],
      ] as const) {
        const got = await outcome(
          path,
          [['grpc-encoding', name]],
          framed(compressed, whole),
          isOpen,
        );
        const text = `grpc: Decompressor is not installed for grpc-encoding "${name}"`;
        await expectStatus(got, Code.UNIMPLEMENTED, text);
      }
    },
  );
}
