/**
 * A header block that spans several frames, until its last CONTINUATION. Bounded in bytes and in frames, since a block
 * occupies the connection until it ends (CVE-2024-27316 and its siblings).
 */
import { limits } from './limits.ts';

export class HeaderBlock {
  /** The stream whose block is open, or 0. While it is open no other frame may arrive. */
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

  /** Returns false at a bound. */
  append(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes += end - start;
    this.#parts.push(Buffer.copyBytesFrom(bytes, start, end - start));
    return (
      this.#bytes <= limits.headerBlockBytesMax &&
      this.#parts.length <= limits.continuationFramesMax
    );
  }

  /** The whole block; afterwards none is open. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts);
    this.streamId = 0;
    this.#parts = [];
    this.#bytes = 0;
    return block;
  }
}
