/**
 * HPACK, reading side (RFC 7541). One per connection: it owns the dynamic table that the peer's encoder drives, so every
 * header block must pass through it, in order, wanted or not. Malformed input is a return value, after which the
 * connection cannot go on.
 *
 * It is on the way of every call whose head carries a deadline of its own, hence fields for state and one scratch space.
 * bench/micro/http2.bench.ts, "header blocks read" (2-core VM, Node 24, 2026-11): 0.6 µs with a timeout of its own, 0.12 µs
 * for the same head without.
 */
import { HeaderCache } from './header-cache.ts';
import { HeaderField } from './header-field.ts';
import { HeaderList } from './header-list.ts';
import { huffmanDecode } from './huffman.ts';
import { DynamicTable, firstDynamicIndex, staticTable } from './table.ts';

// Longest Huffman string: the shortest code has five bits, so a block of n bytes holds at most 1.6 n characters. The
// scratch space is shared by all decoders, which is safe because a decode never yields. It grows to the largest block.
let scratch = Buffer.allocUnsafeSlow(4_096);

export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  readonly #cache = new HeaderCache();
  #generation = 0;
  // The block being read. `#failed` is sticky until the block's end, so that the readers below need no result type.
  #bytes: Buffer = scratch;
  #at = 0;
  #end = 0;
  #failed = false;

  constructor(tableBytesMax: number, listBytesMax: number) {
    this.#table = new DynamicTable(tableBytesMax);
    this.#tableBytesMax = tableBytesMax;
    this.#listBytesMax = listBytesMax;
  }

  /** Decodes the block `bytes[start..end)`; null means COMPRESSION_ERROR. */
  decode(bytes: Buffer, start: number, end: number): HeaderList | null {
    const known = this.#cache.find(bytes, start, end, this.#generation);
    if (known !== null) return known;
    const generation = this.#generation;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#failed = false;
    const list = new HeaderList();
    this.#resizeTable();
    while (this.#at < this.#end && !this.#failed) {
      const field = this.#readField();
      if (field !== null) list.add(field, this.#listBytesMax);
    }
    this.#bytes = scratch;
    if (this.#failed) return null;
    if (this.#generation === generation) this.#cache.store(bytes, start, end, generation, list);
    return list;
  }

  /** Size updates stand in front of the first field and nowhere else. */
  #resizeTable(): void {
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      const bytesMax = this.#readInteger(0x1f);
      if (bytesMax > this.#tableBytesMax) this.#failed = true;
      if (this.#failed) return;
      this.#table.resize(bytesMax);
      this.#generation++;
    }
  }

  #readField(): HeaderField | null {
    const first = this.#bytes[this.#at] as number;
    if ((first & 0x80) !== 0) return this.#entry(this.#readInteger(0x7f));
    if ((first & 0x40) !== 0) {
      const field = this.#readLiteral(0x3f);
      if (field === null) return null;
      this.#table.add(field);
      this.#generation++;
      return field;
    }
    if ((first & 0x20) !== 0) {
      this.#failed = true;
      return null;
    }
    return this.#readLiteral(0x0f);
  }

  #entry(index: number): HeaderField | null {
    const entry =
      index < firstDynamicIndex
        ? index > 0
          ? staticTable[index]
          : null
        : this.#table.get(index - firstDynamicIndex);
    if (entry) return entry;
    this.#failed = true;
    return null;
  }

  #readLiteral(indexMask: number): HeaderField | null {
    const index = this.#readInteger(indexMask);
    const name = index === 0 ? this.#readString() : this.#entry(index)?.name;
    const value = this.#failed ? '' : this.#readString();
    return this.#failed || name === undefined ? null : new HeaderField(name, value);
  }

  #readString(): string {
    if (this.#at >= this.#end) {
      this.#failed = true;
      return '';
    }
    const isHuffman = ((this.#bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#readInteger(0x7f);
    const start = this.#at;
    this.#at += length;
    if (this.#failed || this.#at > this.#end) {
      this.#failed = true;
      return '';
    }
    if (!isHuffman) return this.#bytes.toString('latin1', start, this.#at);
    if (scratch.length < length * 2) scratch = Buffer.allocUnsafeSlow(length * 2);
    const decoded = huffmanDecode(this.#bytes, start, this.#at, scratch);
    if (decoded < 0) this.#failed = true;
    return decoded < 0 ? '' : scratch.toString('latin1', 0, decoded);
  }

  /** RFC 7541, section 5.1. Four continuation bytes hold more than any length or index that could be legal here. */
  #readInteger(mask: number): number {
    let value = (this.#bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.#failed = true;
    return 0;
  }
}
