/**
 * The memory of the batches of one history. Small batches are copied one after the other into blocks, for two reasons: the
 * response that they arrived in often lies in a pool with unrelated bytes, which it would keep alive; and what lies together
 * can be sent together without a copy for each watcher. Large batches stay where they arrived.
 */
import type { Batch } from './batch.ts';

/** A larger batch is not copied if its events are most of the memory that they keep alive. */
const copiedBytesMax = 16 << 10;
const blockBytesMin = 1 << 10;
const blockBytesMax = 64 << 10;

export class BatchMemory {
  #block: Uint8Array | null = null;
  #end = 0;

  /**
   * Returns the batches, which arrived together, with memory that they may keep. A block is at most a quarter of
   * `historyBytes`, or small, so that the memory of a history is close to what its batches count.
   */
  store(batches: readonly Batch[], historyBytes: number): readonly Batch[] {
    if (batches.length === 0) return batches;
    const arrivedBytes = batches.reduce((sum, { events }) => sum + events.length, 0);
    let source: Uint8Array | null = null;
    let header: Uint8Array = new Uint8Array(0);
    return batches.map((batch) => {
      // The batches of a response have its header in common.
      if (batch.header !== source) {
        source = batch.header;
        header = Uint8Array.from(source);
      }
      return this.#keep(batch, header, arrivedBytes, historyBytes);
    });
  }

  clear(): void {
    this.#block = null;
  }

  #keep(batch: Batch, header: Uint8Array, arrivedBytes: number, historyBytes: number): Batch {
    const { revision, events, count } = batch;
    const { length } = events;
    if (length > copiedBytesMax) {
      const isOwn = arrivedBytes * 2 >= events.buffer.byteLength;
      const kept = isOwn ? events : Uint8Array.from(events);
      return { revision, header, events: kept, count, block: null, offset: 0 };
    }
    let block = this.#block;
    if (block === null || block.length - this.#end < length) {
      const size = Math.max(blockBytesMin, length, Math.min(historyBytes >> 2, blockBytesMax));
      block = new Uint8Array(size);
      this.#block = block;
      this.#end = 0;
    }
    const offset = this.#end;
    block.set(events, offset);
    this.#end = offset + length;
    return { revision, header, events: block.subarray(offset, this.#end), count, block, offset };
  }
}
