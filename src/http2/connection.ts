/**
 * A connection without what arrives on it: its socket, how it ends, the frames that it sends, the table of its streams, and
 * when it reads and sends. What frames do to it is in inbound.ts, which extends it; what depends on who opened it, in
 * server-connection.ts and client-connection.ts, which extend that.
 *
 *   open ─fail, close─▶ ending ─socket closed─▶ closed
 *
 * All memory that a peer can make us hold has a bound in limits.ts. Time is bounded by reading: a connection does work
 * in proportion to the bytes that it receives, and stops receiving while its answers are not read.
 */
import type { Socket } from 'node:net';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import {
  ErrorCode,
  errorName,
  Flag,
  FrameType,
  frameHeaderBytes,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';
import { type HeaderTemplate, HpackEncoder } from './hpack/encoder.ts';
import { KeepAlive, type KeepAliveOptions, type KeepAliveOwner } from './keep-alive.ts';
import { limits } from './limits.ts';
import { Output } from './output.ts';
import { Sender } from './sender.ts';
import { PeerSettings } from './settings.ts';
import { type Stream, StreamState } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const Phase = { OPEN: 0, ENDING: 1, CLOSED: 2 } as const;
const keepAlivePing = Buffer.from('bulkhead', 'latin1');

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly keepAlive: KeepAliveOptions;
  readonly streamWindowBytes: number;
  /** What is handed to `receive` is written again afterwards, so streams must not keep what they are handed. */
  readonly readsAreBorrowed: boolean;
  /** Something threw while frames were handled: a bug. The connection is closed, others go on. */
  readonly onBug: (error: unknown) => void;
}

/** What does not follow from the role. */
export type RoleOptions = Omit<ConnectionOptions, 'streamWindowBytes' | 'readsAreBorrowed'>;

export abstract class Connection implements KeepAliveOwner {
  readonly socket: Socket;
  readonly output: Output;
  readonly sender: Sender;
  readonly peer = new PeerSettings();
  readonly streamWindowBytes: number;
  /** Why the connection ended, for logs and statuses. */
  failure = '';
  protected readonly clock: Clock;
  protected readonly keepAlive: KeepAlive;
  protected readonly streams = new StreamTable();
  /** The highest ID of a stream that the peer opened. */
  protected lastPeerStreamId = 0;
  protected hasPeerSettings = false;
  protected readonly encoder = new HpackEncoder(limits.headerTableBytesMax);
  readonly #onBug: (error: unknown) => void;
  #phase: number = Phase.OPEN;
  #stoppedBytes = 0;
  #controlFrames = 0;
  #isReading = false;
  #isPumpDue = false;
  #isPaused = false;
  #cancelTimer: CancelTimer;

  constructor(options: ConnectionOptions) {
    const { socket, clock } = options;
    this.socket = socket;
    this.clock = clock;
    this.streamWindowBytes = options.streamWindowBytes;
    this.output = new Output(socket);
    this.sender = new Sender(this);
    this.keepAlive = new KeepAlive(clock, options.keepAlive, this);
    this.#onBug = options.onBug;
    this.#cancelTimer = clock.after(limits.prefaceTimeoutMs, () => {
      this.fail(ErrorCode.SETTINGS_TIMEOUT, 'no SETTINGS within the time limit');
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', (error) => this.#onGone(error.message));
    socket.on('end', () => this.#onGone('closed by the other side'));
    socket.on('close', () => this.#onGone('connection closed'));
  }

  get openStreams(): number {
    return this.streams.size;
  }

  get isOpen(): boolean {
    return this.#phase === Phase.OPEN;
  }

  /** Bytes arrived while the connection was open. Violations end it through `fail`. */
  protected abstract feed(chunk: Buffer): void;
  /** A stream has left the table, because it ended or was reset by us. */
  protected abstract onForgotten(stream: Stream, wasReset: boolean): void;
  /** The connection is over, and every stream has been told. */
  protected abstract onClosed(): void;

  /** Bytes from the socket. Public for sockets that read into a buffer of ours, and for what was read before. */
  receive(chunk: Buffer): void {
    if (this.#phase !== Phase.OPEN) return;
    this.keepAlive.heard();
    if (this.socket.writableLength === 0) this.#controlFrames = 0;
    this.#isReading = true;
    try {
      this.feed(chunk);
      this.#isReading = false;
      if (this.#isPumpDue) this.#pump();
    } catch (error) {
      this.#isReading = false;
      this.#onBug(error);
      this.fail(ErrorCode.INTERNAL_ERROR, 'internal error');
    }
    this.#stopReadingWhenBehind();
  }

  /** The peer has said who it is. */
  protected onPrefaceComplete(): void {
    this.#cancelTimer();
  }

  /** Ends the connection for a reason that the peer is told. Open streams are lost. */
  fail(code: number, reason: string): void {
    if (this.#phase !== Phase.OPEN) return;
    this.#phase = Phase.ENDING;
    this.failure ||= `${errorName(code)}: ${reason}`;
    this.writeGoAway(this.lastPeerStreamId, code, reason);
    this.#finish();
  }

  /** Ends the connection in peace; open streams are lost. */
  close(reason: string): void {
    this.failure ||= reason;
    this.fail(ErrorCode.NO_ERROR, '');
  }

  #finish(): void {
    this.output.flush();
    this.socket.end();
    this.#release();
    // What the peer still sends is read and dropped: a reset on unread bytes could overtake our GOAWAY.
    this.socket.resume();
    this.#cancelTimer = this.clock.after(limits.lingerMs, () => this.socket.destroy());
  }

  #onGone(reason: string): void {
    if (this.#phase === Phase.CLOSED) return;
    const wasOpen = this.#phase === Phase.OPEN;
    this.#phase = Phase.CLOSED;
    this.#cancelTimer();
    this.output.close();
    this.socket.destroy();
    if (!wasOpen) return;
    this.failure ||= reason;
    this.#release();
  }

  #release(): void {
    this.#cancelTimer();
    this.keepAlive.stop();
    const lost = this.streams.values();
    this.streams.clear();
    for (const stream of lost) {
      stream.state |= StreamState.CLOSED;
      stream.queue = null;
      stream.onLost(this.failure, false);
    }
    this.onClosed();
  }

  // ---- Frames out ----

  /** HEADERS with the template's block and, behind it, `tail`: literals that touch no table. */
  writeHeaders(
    stream: Stream,
    template: HeaderTemplate,
    tail: Uint8Array | null,
    ended: boolean,
  ): void {
    const block = this.encoder.encode(template);
    const bytes = tail === null ? block.length : block.length + tail.length;
    const { output } = this;
    const endFlag = ended ? Flag.END_STREAM : 0;
    if (bytes <= limits.frameBytesMax) {
      output.reserve(frameHeaderBytes + bytes);
      const { chunk } = output;
      const flags = Flag.END_HEADERS | endFlag;
      const at = writeFrameHeader(chunk, output.at, bytes, FrameType.HEADERS, flags, stream.id);
      chunk.set(block, at);
      if (tail !== null) chunk.set(tail, at + block.length);
      output.at = at + bytes;
    } else {
      const whole = tail === null ? block : Buffer.concat([block, tail]);
      for (let at = 0; at < bytes; at += limits.frameBytesMax) {
        const part = whole.subarray(at, at + limits.frameBytesMax);
        const isLast = at + part.length === bytes;
        const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
        const flags = (isLast ? Flag.END_HEADERS : 0) | (at === 0 ? endFlag : 0);
        output.reserve(frameHeaderBytes);
        output.at = writeFrameHeader(output.chunk, output.at, part.length, type, flags, stream.id);
        output.append(part);
      }
    }
    this.onSent();
    if (ended) this.#endLocal(stream);
  }

  writeWindowUpdate(streamId: number, bytes: number): void {
    const payload = Buffer.allocUnsafe(4);
    writeUint32(payload, 0, bytes);
    this.writeControl(FrameType.WINDOW_UPDATE, 0, streamId, payload);
  }

  /** RST_STREAM for a stream that is not in the table. */
  protected refuseStream(streamId: number, code: number): void {
    const payload = Buffer.allocUnsafe(4);
    writeUint32(payload, 0, code);
    this.writeControl(FrameType.RST_STREAM, 0, streamId, payload);
  }

  protected writeGoAway(lastStreamId: number, code: number, text: string): void {
    const payload = Buffer.alloc(8 + text.length);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    payload.write(text, 8, 'latin1');
    this.writeControl(FrameType.GOAWAY, 0, 0, payload);
  }

  sendKeepAlive(): void {
    this.writeControl(FrameType.PING, 0, 0, keepAlivePing);
  }

  onSilence(): void {
    this.failure = 'keepalive ping was not answered in time';
    this.close(this.failure);
    this.socket.destroy();
  }

  protected writeControl(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    this.#controlFrames++;
    const { output } = this;
    output.reserve(frameHeaderBytes + payload.length);
    const at = writeFrameHeader(output.chunk, output.at, payload.length, type, flags, streamId);
    output.chunk.set(payload, at);
    output.at = at + payload.length;
  }

  // ---- Streams ----

  /** Called by the sender behind every DATA frame. */
  onDataSent(stream: Stream, ended: boolean): void {
    this.onSent();
    if (ended) this.#endLocal(stream);
  }

  /** HEADERS or DATA left. */
  protected abstract onSent(): void;

  #endLocal(stream: Stream): void {
    stream.state |= StreamState.LOCAL_ENDED;
    this.forgetWhenDone(stream);
  }

  /** Removes the stream when both sides have ended. */
  protected forgetWhenDone(stream: Stream): void {
    const ended = StreamState.LOCAL_ENDED | StreamState.REMOTE_ENDED;
    if ((stream.state & ended) === ended) this.forget(stream, false);
  }

  /** Resets a stream on the user's behalf. */
  resetStream(stream: Stream, code: number): void {
    if (stream.id !== 0) this.refuseStream(stream.id, code);
    this.forget(stream, true);
  }

  /** Resets a stream because the peer broke a rule. */
  protected failStream(stream: Stream, code: number): void {
    this.resetStream(stream, code);
    stream.onReset(code);
  }

  protected forget(stream: Stream, wasReset: boolean): void {
    if (stream.isClosed) return;
    stream.state |= StreamState.CLOSED;
    stream.queue = null;
    this.releaseStopped(stream);
    if (stream.id !== 0) this.streams.delete(stream.id);
    this.onForgotten(stream, wasReset);
  }

  /** Bytes came for a stream whose reading is stopped; false at the bound. */
  holdStopped(stream: Stream, bytes: number): boolean {
    stream.stoppedBytes += bytes;
    this.#stoppedBytes += bytes;
    return this.#stoppedBytes <= limits.stoppedBytesMax;
  }

  releaseStopped(stream: Stream): void {
    this.#stoppedBytes -= stream.stoppedBytes;
    stream.stoppedBytes = 0;
  }

  // ---- Pace ----

  /** The sender's line is walked at the end of this read, or now when nothing is being read. */
  pumpLater(): void {
    if (this.#isReading) this.#isPumpDue = true;
    else this.#pump();
  }

  #pump(): void {
    this.#isPumpDue = false;
    if (this.#phase === Phase.OPEN) this.sender.pump();
  }

  /** Whether requests are to wait because their answers are not taken. A client always reads: see client-connection.ts. */
  protected abstract readonly stopsAtBacklog: boolean;

  #stopReadingWhenBehind(): void {
    const { socket } = this;
    if (!socket.writableNeedDrain || this.#isPaused) return;
    const isBehind = this.stopsAtBacklog && socket.writableLength > limits.socketBacklogBytesMax;
    if (!isBehind && this.#controlFrames <= limits.controlFramesMax) return;
    this.#isPaused = true;
    socket.pause();
  }

  #onDrain(): void {
    this.#controlFrames = 0;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.socket.resume();
    }
    this.#pump();
  }
}
