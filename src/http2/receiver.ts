/**
 * Flow control of received DATA for the connection as a whole. The connection's window is granted again at once, because
 * backpressure is applied per stream, by the streams' own windows. What paused streams hold together has its own limit.
 */
import type { FrameWriter } from './frame-writer.ts';
import { limits } from './limits.ts';
import type { Stream, StreamReceiver } from './stream.ts';

export class Receiver implements StreamReceiver {
  readonly #writer: FrameWriter;
  #windowBytes: number = limits.connectionWindowBytes;
  #unacknowledged = 0;
  #pausedBytes = 0;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  /** Counts the payload of a DATA frame; false if the peer exceeded the window. */
  count(bytes: number): boolean {
    this.#windowBytes -= bytes;
    if (this.#windowBytes < 0) return false;
    this.#unacknowledged += bytes;
    if (this.#unacknowledged * 4 >= limits.connectionWindowBytes) {
      this.#writer.windowUpdate(0, this.#unacknowledged);
      this.#windowBytes += this.#unacknowledged;
      this.#unacknowledged = 0;
    }
    return true;
  }

  grant(streamId: number, bytes: number): void {
    this.#writer.windowUpdate(streamId, bytes);
  }

  holdPaused(stream: Stream, bytes: number): boolean {
    stream.pausedBytes += bytes;
    this.#pausedBytes += bytes;
    return this.#pausedBytes <= limits.pausedBytesMax;
  }

  releasePaused(stream: Stream): void {
    this.#pausedBytes -= stream.pausedBytes;
    stream.pausedBytes = 0;
  }
}
