/** Compresses and decompresses blocks, in the threads of the runtime. */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { Compression } from './layout.ts';

const gzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gunzip);
/** A fast one: the time counts more than a tenth of the size. */
const level = 1;
const chunkBytesMin = 64;

/** Whether this version of Node.js has it. zstd came with 22.15 and 23.8. */
export function isAvailable(compression: Compression): boolean {
  return compression !== 'zstd' || typeof zlib.zstdCompress === 'function';
}

export async function compressed(raw: Uint8Array, compression: Compression): Promise<Uint8Array> {
  switch (compression) {
    case 'none':
      return raw;
    case 'gzip':
      return gzip(raw, { level, chunkSize: compressedBytesMax(raw) });
    case 'zstd':
      return promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdCompress)(raw, {
        chunkSize: compressedBytesMax(raw),
        params: { [zlib.constants.ZSTD_c_compressionLevel]: level },
      });
    default:
      return compression satisfies never;
  }
}

/** Room for the whole result, because each chunk takes another turn of a thread. Both formats add much less than this. */
function compressedBytesMax(raw: Uint8Array): number {
  return raw.length + (raw.length >> 7) + 1_024;
}

/** Rejects for bytes that are not compressed like that, and for content that is longer than `rawBytes`. */
export async function decompressed(
  stored: Uint8Array,
  compression: Compression,
  rawBytes: number,
): Promise<Uint8Array> {
  // Stops a content that is longer than announced. 0 would mean the default of the runtime.
  const options = {
    maxOutputLength: Math.max(1, rawBytes),
    chunkSize: Math.max(chunkBytesMin, Math.min(rawBytes, 1 << 20)),
  };
  switch (compression) {
    case 'none':
      return stored;
    case 'gzip':
      return gunzip(stored, options);
    case 'zstd':
      return promisify<zlib.InputType, zlib.ZstdOptions, Buffer>(zlib.zstdDecompress)(
        stored,
        options,
      );
    default:
      return compression satisfies never;
  }
}
