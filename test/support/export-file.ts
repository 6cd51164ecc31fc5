/** Export files in memory, for tests of the format, made by the program's own writer from keys as objects. */
import { contentsOf, type Part } from '../../src/cli/transfer/file/contents.ts';
import {
  BlockKind,
  type Compression,
  type ExportedLease,
} from '../../src/cli/transfer/file/layout.ts';
import type { Sink } from '../../src/cli/transfer/file/sink.ts';
import { ExportWriter } from '../../src/cli/transfer/file/writer.ts';
import { Writer } from '../../src/protobuf/writer.ts';

export class MemorySink implements Sink {
  readonly #parts: Uint8Array[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(Uint8Array.from(bytes));
  }

  async commit(): Promise<void> {}

  async discard(): Promise<void> {}
}

export interface PlainKey {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease?: bigint;
}

/** A RangeResponse with only `kvs`. */
export function encodedKeys(keys: readonly PlainKey[]): Uint8Array {
  const writer = new Writer();
  for (const { key, value, lease = 0n } of keys) {
    const fields = new Writer().bytes(1, key).varint(2, 5).varint(3, 7).varint(4, 1);
    writer.message(2, fields.bytes(5, value).varint(6, lease).finish());
  }
  return writer.finish();
}

export const plainHeader = {
  format: 1,
  program: 'test',
  created: '2026-01-01T00:00:00.000Z',
  namespace: Buffer.from('n/').toString('base64'),
  clusterId: '0123456789abcdef',
  revision: 7,
};

export interface FileParts {
  readonly header?: object;
  /** One block each. */
  readonly blocks: readonly (readonly PlainKey[])[];
  readonly leases?: readonly ExportedLease[];
  readonly compression?: Compression;
  /** Differs from the real totals in a file that is wrong. */
  readonly totals?: { readonly keys: number; readonly leases: number };
}

export async function exportFile(parts: FileParts): Promise<Buffer> {
  const { header = plainHeader, blocks, leases = [], compression = 'gzip', totals } = parts;
  const sink = new MemorySink();
  const writer = new ExportWriter(sink, compression);
  await writer.block(BlockKind.HEADER, Buffer.from(JSON.stringify(header)));
  for (const keys of blocks) await writer.block(BlockKind.KEYS, encodedKeys(keys));
  if (leases.length > 0) {
    await writer.block(BlockKind.LEASES, Buffer.from(JSON.stringify(leases)));
  }
  const keys = blocks.reduce((sum, block) => sum + block.length, 0);
  await writer.end(totals ?? { keys, leases: leases.length });
  return sink.bytes;
}

/** Yields `bytes` in pieces of this length. */
export async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** The keys of a file. Rejects as `contentsOf` does. */
export async function readKeys(bytes: Uint8Array, pieceBytes = 65_536): Promise<PlainKey[]> {
  const keys: PlainKey[] = [];
  let last: Part['kind'] | '' = '';
  for await (const part of contentsOf(inPieces(bytes, pieceBytes))) {
    last = part.kind;
    if (part.kind !== 'keys') continue;
    for (const { key, value, lease } of part.keyValues) {
      keys.push({ key: Buffer.from(key), value: Buffer.from(value), lease });
    }
  }
  if (last !== 'end') throw new Error('contentsOf ended without the end of the file');
  return keys;
}
