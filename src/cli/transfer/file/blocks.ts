/**
 * Reads the blocks of an export file from any source of bytes. Guarantee: a block is yielded only after its checksum and its
 * length were checked, and the last one only if the whole file has arrived unchanged. Lengths in the file are not trusted:
 * memory is allocated for bytes that have arrived.
 */
import { createHash } from 'node:crypto';
import { decompressed, isAvailable } from './compression.ts';
import { type BlockHead, BlockKind, checksum, decodeHead, headBytes, magic } from './layout.ts';

/** The file is not a complete and unchanged export. */
export class InvalidExport extends Error {
  override readonly name = 'InvalidExport';
}

export interface Block {
  readonly kind: BlockKind;
  readonly content: Uint8Array;
}

export async function* blocksOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Block & { readonly sha256: string }, void> {
  const bytes = new ByteQueue(source);
  const hash = createHash('sha256');
  const first = await bytes.take(magic.length);
  if (first === null || !magic.equals(first)) {
    throw new InvalidExport('this is not a file of `etcd-bulkhead export`');
  }
  hash.update(first);
  for (let number = 0; ; number += 1) {
    const offset = bytes.taken;
    const encoded = await bytes.take(headBytes);
    if (encoded === null) throw new InvalidExport(`the file ends early, at byte ${bytes.taken}`);
    const head = decodeHead(encoded);
    if (typeof head === 'string') throw at(offset, head);
    const stored = await bytes.take(head.storedBytes);
    if (stored === null) throw new InvalidExport(`the file ends early, at byte ${bytes.taken}`);
    if (checksum(encoded, stored) !== head.crc) throw at(offset, 'the checksum does not match');
    if (head.number !== number) throw at(offset, `block ${number} is missing`);
    const isEnd = head.kind === BlockKind.END;
    const sha256 = isEnd ? hash.digest('hex') : '';
    if (!isEnd) hash.update(encoded).update(stored);
    const content = await contentOf(head, stored, offset);
    if (isEnd && !(await bytes.isAtEnd())) throw at(bytes.taken, 'bytes follow the end');
    yield { kind: head.kind, content, sha256 };
    if (isEnd) return;
  }
}

async function contentOf(head: BlockHead, stored: Buffer, offset: number): Promise<Uint8Array> {
  const { compression, rawBytes } = head;
  if (!isAvailable(compression)) {
    throw new InvalidExport(`the file needs a Node.js with ${compression}: 22.15 or newer`);
  }
  try {
    const content = await decompressed(stored, compression, rawBytes);
    if (content.length === rawBytes) return content;
  } catch {
    // Reported below.
  }
  throw at(offset, 'a block cannot be decompressed to its length');
}

function at(offset: number, what: string): InvalidExport {
  return new InvalidExport(`the file is damaged at byte ${offset}: ${what}`);
}

/** Bytes of a source, in pieces of the length that the reader asks for. */
class ByteQueue {
  /** How many bytes were taken. */
  taken = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #hasEnded = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Null if the source ends before that. */
  async take(length: number): Promise<Buffer | null> {
    while (this.#bytes < length && !this.#hasEnded) await this.#more();
    if (this.#bytes < length) {
      this.taken += this.#bytes;
      return null;
    }
    this.taken += length;
    this.#bytes -= length;
    return this.#cut(length);
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#bytes === 0 && !this.#hasEnded) await this.#more();
    return this.#bytes === 0;
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.next();
    if (done === true) {
      this.#hasEnded = true;
      return;
    }
    this.#parts.push(value);
    this.#bytes += value.length;
  }

  #cut(length: number): Buffer {
    const cut: Uint8Array[] = [];
    let missing = length;
    let index = 0;
    for (; missing > 0; index += 1) {
      const part = this.#parts[index] as Uint8Array;
      if (part.length > missing) {
        cut.push(part.subarray(0, missing));
        this.#parts[index] = part.subarray(missing);
        break;
      }
      cut.push(part);
      missing -= part.length;
    }
    this.#parts.splice(0, index);
    const [only] = cut;
    if (cut.length === 1 && only !== undefined) {
      return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
    }
    return Buffer.concat(cut);
  }
}
