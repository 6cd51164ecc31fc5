/**
 * Writes an export file, block by block. Blocks are compressed beside each other and written in order. `block` resolves when
 * there is room for the next one, so the memory is bounded.
 */
import { createHash } from 'node:crypto';
import { compressed } from './compression.ts';
import { BlockKind, type Compression, type ExportEnd, encodeHead, magic } from './layout.ts';
import type { Sink } from './sink.ts';

/** Blocks that are being compressed or written. */
const pendingMax = 2;
/** Smaller content is not compressed. */
const compressBytesMin = 256;

export class ExportWriter {
  readonly #sink: Sink;
  readonly #compression: Compression;
  readonly #hash = createHash('sha256');
  readonly #pending: Promise<void>[] = [];
  #written: Promise<void>;
  #number = 0;
  /** Written so far. */
  bytes = 0;

  constructor(sink: Sink, compression: Compression) {
    this.#sink = sink;
    this.#compression = compression;
    this.#written = this.#write(magic);
    this.#written.catch(ignore);
  }

  /** Adds a block. `raw` must not change any more. Rejects if this or an earlier block cannot be written. */
  async block(kind: BlockKind, raw: Uint8Array): Promise<void> {
    const number = this.#number++;
    const isSmall = raw.length < compressBytesMin;
    const compression = isSmall ? 'none' : this.#compression;
    const content = compressed(raw, compression);
    const before = this.#written;
    const written = content.then(async (bytes) => {
      await before;
      const isSmaller = bytes.length < raw.length;
      const stored = isSmaller ? bytes : raw;
      const head = encodeHead(
        {
          ...{ kind, number, rawBytes: raw.length, storedBytes: stored.length },
          compression: isSmaller ? compression : 'none',
        },
        stored,
      );
      await this.#write(head);
      await this.#write(stored);
    });
    // The rejection is reported by the next `block` or by `end`.
    written.catch(ignore);
    this.#written = written;
    this.#pending.push(written);
    if (this.#pending.length >= pendingMax) await this.#pending.shift();
  }

  /** Writes the end block. The sink is not closed. */
  async end(totals: Omit<ExportEnd, 'sha256'>): Promise<ExportEnd> {
    await this.#written;
    const end: ExportEnd = { ...totals, sha256: this.#hash.copy().digest('hex') };
    await this.block(BlockKind.END, Buffer.from(JSON.stringify(end)));
    await this.#written;
    return end;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    await this.#sink.write(bytes);
  }
}

function ignore(): void {}
