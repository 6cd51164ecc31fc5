/**
 * Memory for messages of many pages, recycled. Fresh memory costs a page fault per page on the first write, more than copying
 * the page does. It also lies outside the collector's heap, and megabytes of it that wait for the collector drive it from
 * one full collection into the next.
 *
 * Whether memory can be recycled is registered when it is allocated here, and is never inferred from the size or the offset of a
 * view. Whether it may be released is the caller's statement: one that owns bytes owns all the memory that they lie in.
 *
 * Releasing moves the memory into another ArrayBuffer. Views that still exist become empty and cannot see or change what is
 * written next. Spare memory is held weakly, so that an idle process does not keep it.
 *
 * `npm run bench -- range-10k`, 2026-11, CPU per range: 8.1 ms left to the collector, 4.0 freed, 3.4 recycled.
 */

/** Smaller memory is not worth recycling. */
export const largeBytesMin = 65_536;
const spareBytesMax = 16_777_216;
const granuleBytes = 65_536;
/** Spare memory may be this many times as large as the request that it serves. */
const wasteMax = 4;

/** Memory that was allocated here and not released yet. */
const allocated = new WeakSet<ArrayBuffer>();
let spares: WeakRef<ArrayBuffer>[] = [];

/** Memory for `bytes`, not cleared. */
export function allocateMemory(bytes: number): Buffer {
  if (bytes < largeBytesMin) return Buffer.allocUnsafe(bytes);
  const memory = takeSpare(bytes) ?? newMemory(bytes);
  allocated.add(memory);
  return Buffer.from(memory, 0, bytes);
}

function takeSpare(bytes: number): ArrayBuffer | null {
  for (const [i, spare] of spares.entries()) {
    const memory = spare.deref();
    if (memory === undefined || memory.byteLength < bytes) continue;
    if (memory.byteLength > bytes * wasteMax) continue;
    spares.splice(i, 1);
    return memory;
  }
  return null;
}

function newMemory(bytes: number): ArrayBuffer {
  const capacity = Math.ceil(bytes / granuleBytes) * granuleBytes;
  return Buffer.allocUnsafeSlow(capacity).buffer;
}

/** Recycles the memory that `bytes` lie in, if it is from `allocateMemory`. Other memory is left to the collector. */
export function releaseMemory({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || !allocated.delete(buffer)) return;
  let spareBytes = buffer.byteLength;
  spares = spares.filter((spare) => {
    const memory = spare.deref();
    spareBytes += memory?.byteLength ?? 0;
    return memory !== undefined;
  });
  if (spareBytes <= spareBytesMax) spares.push(new WeakRef(buffer.transfer()));
  else buffer.transfer(0);
}
