/**
 * Reads one file without blocking the event loop. It must be a regular file: to read a FIFO or a device may never end.
 * Symbolic links are followed, because Kubernetes mounts consist of them.
 */
import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';

/** The configuration of ten thousand tenants has about 1 MiB, a users file with a hundred thousand users about 10 MiB. */
export const fileBytesMax = 16 << 20;

/** Rejects with the system's error, or with one that names the rule. */
export async function readRegularFile(path: string): Promise<Buffer> {
  // To open a device may have an effect, so the type is checked before.
  requireRegular(await stat(path));
  // O_NONBLOCK, because another process may have replaced the file by a FIFO meanwhile.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireRegular(await file.stat());
    // `end` is inclusive. One byte more than allowed shows that the file is too large.
    const bytes = await buffer(file.createReadStream({ end: fileBytesMax, autoClose: false }));
    if (bytes.length > fileBytesMax) throw new Error(`larger than ${fileBytesMax >> 20} MiB`);
    return bytes;
  } finally {
    await file.close();
  }
}

function requireRegular(stats: Stats): void {
  if (stats.isFile()) return;
  throw new Error(`not a regular file but ${kindOf(stats)}`);
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}
