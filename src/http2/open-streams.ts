/**
 * The open streams of a connection and every way in which one of them closes: both sides ended, a reset, the end of the
 * connection. Each stream leaves the table exactly once.
 */
import { ErrorCode } from './frame.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Receiver } from './receiver.ts';
import type { Role } from './role.ts';
import { type Stream, StreamState } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const openAfterRemoteEnd = StreamState.LOCAL_ENDED | StreamState.CLOSED;

export class OpenStreams {
  /** Highest ID that the client of this connection used, in either role. Servers open no streams: push is disabled. */
  highestId = 0;
  readonly #table = new StreamTable();
  readonly #writer: FrameWriter;
  readonly #receiver: Receiver;
  readonly #role: Role;
  readonly #resetsAfterLocalEnd: boolean;

  constructor(writer: FrameWriter, receiver: Receiver, role: Role) {
    this.#writer = writer;
    this.#receiver = receiver;
    this.#role = role;
    this.#resetsAfterLocalEnd = role.traits.resetsAfterLocalEnd;
  }

  get size(): number {
    return this.#table.size;
  }

  get(streamId: number): Stream | undefined {
    return this.#table.get(streamId);
  }

  /** A snapshot, in no particular order. */
  values(): Stream[] {
    return this.#table.values();
  }

  /** Whether the ID was never used. Stream 0 and even IDs count as never used. */
  isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId > this.highestId;
  }

  add(stream: Stream): void {
    this.#table.add(stream);
  }

  /** END_STREAM was sent. */
  endLocal(stream: Stream): void {
    stream.state |= StreamState.LOCAL_ENDED;
    if (stream.hasRemoteEnded) this.close(stream, false);
    else if (this.#resetsAfterLocalEnd) this.reset(stream, ErrorCode.NO_ERROR);
  }

  /** END_STREAM was received and processed: closes the stream if both sides have ended it. */
  onRemoteEnd(stream: Stream): void {
    if ((stream.state & openAfterRemoteEnd) === StreamState.LOCAL_ENDED) this.close(stream, false);
  }

  /** Sends RST_STREAM and closes the stream. A stream without an ID was never sent and needs no frame. */
  reset(stream: Stream, code: number): void {
    if (stream.isClosed) return;
    if (stream.id !== 0) this.#writer.rstStream(stream.id, code);
    this.close(stream, true);
  }

  /** Resets the stream because the peer violated the protocol, and notifies it. */
  fail(stream: Stream, code: number): void {
    this.reset(stream, code);
    stream.onReset(code);
  }

  /** Closes the stream without a frame. `wasReset`: RST_STREAM was sent for it. */
  close(stream: Stream, wasReset: boolean): void {
    if (stream.isClosed) return;
    stream.state |= StreamState.CLOSED;
    this.#dropQueue(stream);
    if (stream.pausedBytes > 0) this.#receiver.releasePaused(stream);
    if (stream.id !== 0) this.#table.delete(stream.id);
    this.#role.onStreamClosed(stream.id, wasReset);
  }

  /** Closes a stream that the peer certainly did not process, and notifies it. */
  abortUnsent(stream: Stream, reason: string): void {
    this.#table.delete(stream.id);
    this.#release(stream);
    stream.onLost(reason, true);
  }

  /** Closes all streams because the connection ended, and notifies them. */
  abortAll(reason: string): void {
    const streams = this.#table.values();
    this.#table.clear();
    for (const stream of streams) {
      this.#release(stream);
      stream.onLost(reason, false);
    }
  }

  #release(stream: Stream): void {
    stream.state |= StreamState.CLOSED;
    this.#dropQueue(stream);
    this.#receiver.releasePaused(stream);
  }

  #dropQueue(stream: Stream): void {
    stream.queue?.drop(this.#writer.output);
    stream.queue = null;
  }
}
