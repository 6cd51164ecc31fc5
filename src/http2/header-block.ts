/**
 * Assembles a header block that spans HEADERS and CONTINUATION frames. Limited in bytes and in frames, because no other frame may
 * arrive until the block ends (CVE-2024-27316 and related).
 */
import { limits } from './limits.ts';

export class HeaderBlock {
  /** The stream whose block is incomplete, or 0. */
  streamId = 0;
  endStream = false;
  dependsOnItself = false;
  #parts: Buffer[] = [];
  #bytes = 0;

  begin(streamId: number, endStream: boolean, dependsOnItself: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.dependsOnItself = dependsOnItself;
  }

  /** Returns false over a limit. */
  append(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes += end - start;
    this.#parts.push(Buffer.copyBytesFrom(bytes, start, end - start));
    return (
      this.#bytes <= limits.headerBlockBytesMax &&
      this.#parts.length <= limits.continuationFramesMax
    );
  }

  /** Ends the block and returns it. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts);
    this.streamId = 0;
    this.#parts = [];
    this.#bytes = 0;
    return block;
  }
}
