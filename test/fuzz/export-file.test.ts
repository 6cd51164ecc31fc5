/** The parser of export files with hostile bytes. A file is either read completely and unchanged, or rejected. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidExport } from '../../src/cli/transfer/file/blocks.ts';
import { contentsOf } from '../../src/cli/transfer/file/contents.ts';
import {
  BlockKind,
  blockKeysMax,
  type Compression,
  compressions,
  encodeHead,
  magic,
  rawBytesMax,
  sharedBytesMax,
} from '../../src/cli/transfer/file/layout.ts';
import { ExportWriter } from '../../src/cli/transfer/file/writer.ts';
import {
  encodedKeys,
  exportFile,
  inPieces,
  MemorySink,
  type PlainKey,
  plainHeader,
  readKeys,
} from '../support/export-file.ts';

const namespace = Buffer.from('n/');
const anyBytes = fc.uint8Array({ minLength: 0, maxLength: 300 });
/** Blocks of keys in ascending order. */
const anyBlocks = fc
  .tuple(
    fc.uniqueArray(fc.tuple(anyBytes, anyBytes), {
      selector: ([key]) => Buffer.from(key).toString('hex'),
      maxLength: 30,
    }),
    fc.integer({ min: 1, max: 7 }),
  )
  .map(([entries, size]) => {
    const keys: PlainKey[] = entries
      .map(([key, value]) => ({
        key: Buffer.concat([namespace, key]),
        value: Buffer.from(value),
        lease: 0n,
      }))
      .sort((a, b) => Buffer.compare(a.key, b.key));
    const blocks: PlainKey[][] = [];
    for (let at = 0; at < keys.length; at += size) blocks.push(keys.slice(at, at + size));
    return blocks;
  });

describe('any keys and values', () => {
  test('are the same after a file was written and read', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyBlocks,
        fc.constantFrom<Compression>(...compressions),
        fc.integer({ min: 1, max: 500 }),
        async (blocks, compression, pieceBytes) => {
          const file = await exportFile({ blocks, compression });
          expect(await readKeys(file, pieceBytes)).toEqual(blocks.flat());
        },
      ),
      { numRuns: 100 },
    );
  });
});

const sample = await exportFile({
  blocks: [
    [
      { key: Buffer.from('n/a'), value: Buffer.alloc(2_000, 'x') },
      { key: Buffer.from('n/b'), value: Buffer.from('2'), lease: 5n },
    ],
    [{ key: Buffer.from('n/c'), value: Buffer.alloc(0) }],
  ],
  leases: [{ id: '5', visible: 5, grantedSeconds: 60, remainingSeconds: 10, keys: 1 }],
});

describe('a file that was changed', () => {
  test('is rejected wherever it is cut off', async () => {
    for (let length = 0; length < sample.length; length += 1) {
      await expect(readKeys(sample.subarray(0, length)), `at ${length}`).rejects.toThrow(
        InvalidExport,
      );
    }
  });

  test('is rejected if any single bit of it differs', async () => {
    for (let at = 0; at < sample.length; at += 1) {
      const changed = Buffer.from(sample);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7));
      await expect(readKeys(changed), `at ${at}`).rejects.toThrow(InvalidExport);
    }
  });

  test('is rejected if bytes follow, a block is missing, repeated or moved', async () => {
    const { blocks, head } = splitBlocks(sample);
    const [header, first, second, ...rest] = blocks as [Buffer, Buffer, Buffer, ...Buffer[]];
    for (const changed of [
      Buffer.concat([sample, Buffer.of(0)]),
      Buffer.concat([sample, sample]),
      Buffer.concat([head, header, second, ...rest]),
      Buffer.concat([head, header, first, first, second, ...rest]),
      Buffer.concat([head, header, second, first, ...rest]),
      Buffer.concat([head, first, second, ...rest]),
    ]) {
      await expect(readKeys(changed)).rejects.toThrow(InvalidExport);
    }
  });

  test('never ends in another way than with the whole content or a rejection', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(sample.length),
        async (changes, length) => {
          const changed = Buffer.from(sample.subarray(0, length));
          for (const [at, byte] of changes) if (at < length) changed[at] = byte;
          if (changed.equals(sample)) return;
          await expect(readKeys(changed)).rejects.toThrow(InvalidExport);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is rejected if it is any other bytes, also behind a valid beginning', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.boolean(), async (bytes, isBehind) => {
        const file = isBehind ? Buffer.concat([magic, bytes]) : bytes;
        await expect(readKeys(file)).rejects.toThrow(InvalidExport);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a hostile file with valid checksums', () => {
  const key = (text: string, value = '') => ({ key: Buffer.from(text), value: Buffer.from(value) });

  test.each<[string, Parameters<typeof exportFile>[0]]>([
    ['keys that descend', { blocks: [[key('n/b'), key('n/a')]] }],
    ['a key twice', { blocks: [[key('n/a')], [key('n/a')]] }],
    ['a key outside of its namespace', { blocks: [[key('m/a')]] }],
    ['an empty key', { header: { ...plainHeader, namespace: '' }, blocks: [[key('')]] }],
    ['another number of keys', { blocks: [[key('n/a')]], totals: { keys: 2, leases: 0 } }],
    ['a newer format', { header: { ...plainHeader, format: 2 }, blocks: [] }],
    ['a header of another type', { header: [], blocks: [] }],
    ['a namespace that is not base64', { header: { ...plainHeader, namespace: '%' }, blocks: [] }],
    ['a revision that is not a number', { header: { ...plainHeader, revision: '7' }, blocks: [] }],
    [
      'a lease ID beyond 64 bits',
      {
        blocks: [],
        leases: [
          { id: '9'.repeat(19), visible: null, grantedSeconds: 1, remainingSeconds: 1, keys: 0 },
        ],
      },
    ],
    ['a lease that is null', { blocks: [], leases: [null as never] }],
    [
      'more keys in a block than allowed',
      {
        blocks: [
          Array.from({ length: blockKeysMax + 1 }, (_, i) =>
            key(`n/${String(i).padStart(6, '0')}`),
          ),
        ],
      },
    ],
  ])('%s is rejected', async (_, parts) => {
    await expect(readKeys(await exportFile(parts))).rejects.toThrow(InvalidExport);
  });

  test('a block of keys with other fields is rejected', async () => {
    for (const content of [
      Buffer.of(0x08, 1),
      Buffer.of(0x12, 5, 1),
      Buffer.of(0x10, 1),
      Buffer.of(0xff),
    ]) {
      await expect(readKeys(await withBlock(BlockKind.KEYS, content))).rejects.toThrow(
        InvalidExport,
      );
    }
    for (const kind of [BlockKind.LEASES, BlockKind.HEADER, BlockKind.END]) {
      await expect(readKeys(await withBlock(kind, Buffer.from('{')))).rejects.toThrow(
        InvalidExport,
      );
    }
  });

  test('announces lengths that it does not have, and no memory is allocated for them', async () => {
    for (const [kind, rawBytes, storedBytes] of [
      [BlockKind.KEYS, 0xffff_ffff, 0xffff_ffff],
      [BlockKind.KEYS, rawBytesMax + 1, 100],
      [BlockKind.KEYS, rawBytesMax, rawBytesMax],
      [BlockKind.HEADER, sharedBytesMax + 1, sharedBytesMax + 1],
      [BlockKind.HEADER, sharedBytesMax, sharedBytesMax],
    ] as const) {
      const compression = 'none';
      const head = encodeHead({ kind, compression, number: 0, rawBytes, storedBytes }, magic);
      const before = process.memoryUsage();
      await expect(readKeys(Buffer.concat([magic, head, Buffer.alloc(1000)]))).rejects.toThrow(
        InvalidExport,
      );
      const { external, arrayBuffers } = process.memoryUsage();
      expect(arrayBuffers - before.arrayBuffers).toBeLessThan(8 << 20);
      expect(external - before.external).toBeLessThan(8 << 20);
    }
  });

  test.each(compressions.filter((each) => each !== 'none'))(
    'decompresses to more than it announces with %s',
    async (compression) => {
      const { compressed } = await import('../../src/cli/transfer/file/compression.ts');
      const bomb = Buffer.from(await compressed(Buffer.alloc(32 << 20), compression));
      const head = encodeHead(
        {
          ...{ kind: BlockKind.HEADER, compression, number: 0 },
          ...{ rawBytes: 1000, storedBytes: bomb.length },
        },
        bomb,
      );
      const before = process.memoryUsage().arrayBuffers;
      const file = Buffer.concat([magic, head, bomb]);
      await expect(readKeys(file)).rejects.toThrow('cannot be decompressed to its length');
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
    },
  );

  test('a single key may be as large as the longest block, and several may not', async () => {
    const value = Buffer.alloc(sharedBytesMax, 1);
    const large = { key: Buffer.from('n/a'), value };
    expect(await readKeys(await exportFile({ blocks: [[large]] }))).toHaveLength(1);
    const both = exportFile({ blocks: [[large, key('n/b')]] });
    await expect(readKeys(await both)).rejects.toThrow('too many keys');
  });
});

test('nothing is yielded from a block that does not match its checksum', async () => {
  const changed = Buffer.from(sample);
  const { offsets } = splitBlocks(sample);
  const secondBlock = (offsets[2] ?? 0) + 24;
  changed[secondBlock] = (changed[secondBlock] ?? 0) ^ 1;
  let keys = 0;
  const read = async () => {
    for await (const part of contentsOf(inPieces(changed, 100))) {
      if (part.kind === 'keys') keys += part.keyValues.length;
    }
  };
  await expect(read()).rejects.toThrow('the checksum does not match');
  expect(keys).toBe(2);
});

/** A file with one block more, whose checksums are right. */
async function withBlock(kind: BlockKind, content: Uint8Array): Promise<Buffer> {
  const sink = new MemorySink();
  const writer = new ExportWriter(sink, 'none');
  await writer.block(BlockKind.HEADER, Buffer.from(JSON.stringify(plainHeader)));
  await writer.block(BlockKind.KEYS, encodedKeys([]));
  await writer.block(kind, content);
  await writer.end({ keys: 0, leases: 0 });
  return sink.bytes;
}

function splitBlocks(file: Buffer) {
  const blocks: Buffer[] = [];
  const offsets: number[] = [];
  for (let at = magic.length; at < file.length; ) {
    const length = 20 + file.readUInt32LE(at + 12);
    offsets.push(at);
    blocks.push(file.subarray(at, at + length));
    at += length;
  }
  return { head: file.subarray(0, magic.length), blocks, offsets };
}
