/** HPACK round trips: header lists decode to themselves, in any order of blocks and through any changes of the table size. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { HeaderTemplate, HpackEncoder } from '../../src/http2/hpack/encoder.ts';
import { huffmanDecode, huffmanEncode, huffmanLength } from '../../src/http2/hpack/huffman.ts';

test('Huffman decoding inverts encoding for all bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (text) => {
      const packed = Buffer.alloc(huffmanLength(text));
      expect(huffmanEncode(text, packed, 0)).toBe(packed.length);
      const out = Buffer.alloc(packed.length * 2);
      const length = huffmanDecode(packed, 0, packed.length, out);
      expect(out.subarray(0, length).equals(Buffer.from(text))).toBe(true);
    }),
  );
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter((text) => {
  const reserved = ['te', 'connection', 'upgrade', 'keep-alive', 'content-length'];
  return !reserved.includes(text);
});
const value = fc.stringMatching(/^[ -~]{0,60}$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((pairs) => pairs.flat());
const step = fc.oneof(
  { weight: 9, arbitrary: fc.record({ list: fc.nat(4), tableBytes: fc.constant(-1) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      list: fc.nat(4),
      tableBytes: fc.constantFrom(0, 64, 300, 4_096, 9_999),
    }),
  },
);

test('lists decode to themselves in any order of blocks and through any table size', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fields, fc.boolean()), { minLength: 5, maxLength: 5 }),
      fc.array(step, { maxLength: 40 }),
      (lists, steps) => {
        const encoder = new HpackEncoder(4_096);
        const decoder = new HpackDecoder(4_096, 1 << 20);
        const templates = lists.map(([list, repeats]) => new HeaderTemplate(list, repeats));
        for (const { list, tableBytes } of steps) {
          if (tableBytes >= 0) encoder.setPeerTableBytes(tableBytes);
          const block = encoder.encode(templates[list]!);
          const decoded = decoder.decode(block, 0, block.length);
          expect(decoded?.fields).toEqual(templates[list]!.fields);
        }
      },
    ),
  );
});

test('arbitrary bytes decode to a list or are malformed, and never throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), (blocks) => {
      const decoder = new HpackDecoder(4_096, 1_000);
      for (const block of blocks) {
        const bytes = Buffer.from(block);
        if (decoder.decode(bytes, 0, bytes.length) === null) return;
      }
    }),
    { numRuns: 2_000 },
  );
});
