import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { revisionOf, revisionOfResponse } from '../../../src/etcd/response-header.ts';
import { Reader } from '../../../src/protobuf/reader.ts';
import { Writer } from '../../../src/protobuf/writer.ts';

/** With the parser of every protobuf field. */
function oracle(response: Uint8Array): number {
  const reader = new Reader(response);
  const isHeader = reader.next() && reader.field === 1 && reader.wireType === 2;
  return isHeader ? revisionOf(reader.bytes()) : 0;
}

const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

describe('the revision of a response', () => {
  test('is that of its header, whatever follows', () => {
    const revisions = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(id, id, revisions, fc.uint8Array(), (cluster, member, revision, rest) => {
        const header = new Writer()
          .varint(1, cluster)
          .varint(2, member)
          .varint(3, revision)
          .varint(4, 7)
          .finish();
        const response = new Writer().message(1, header).bytes(2, rest).finish();
        expect(revisionOfResponse(response)).toBe(revision);
      }),
    );
  });

  test('is read past fields that etcd does not have', () => {
    const header = new Writer().bytes(2, Buffer.alloc(200)).varint(20, 1).varint(3, 9).finish();
    expect(revisionOfResponse(new Writer().message(1, header).finish())).toBe(9);
  });

  test('is the last one of several', () => {
    const header = new Writer().varint(3, 8).varint(3, 9).finish();
    expect(revisionOfResponse(new Writer().message(1, header).finish())).toBe(9);
  });

  test('may be negative, as in a damaged response', () => {
    const header = new Writer().varint(3, 2n ** 64n - 1n).finish();
    expect(revisionOfResponse(new Writer().message(1, header).finish())).toBe(-1);
  });

  test('is 0 without a header', () => {
    expect(revisionOfResponse(new Uint8Array(0))).toBe(0);
    expect(revisionOfResponse(Uint8Array.of(0x0a))).toBe(0);
    expect(revisionOfResponse(new Writer().varint(4, 5).finish())).toBe(0);
  });

  test('never comes from bytes beyond the header, and malformed bytes are harmless', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const response = Uint8Array.from([0x0a, bytes.length, ...bytes]);
        for (const each of [bytes, response, response.subarray(0, response.length >> 1)]) {
          const revision = revisionOfResponse(each);
          const header = new Reader(each);
          const isWellFormed = header.next() && !header.malformed && isMessage(header);
          if (isWellFormed && revision < Number.MAX_SAFE_INTEGER)
            expect(revision).toBe(oracle(each));
        }
      }),
    );
  });
});

/** Whether the content of the current field consists of fields. */
function isMessage(reader: Reader): boolean {
  if (reader.wireType !== 2) return true;
  const content = reader.message();
  while (content.next());
  return !content.malformed;
}
