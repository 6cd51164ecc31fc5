/**
 * A connection, as far as both roles share it: the frame loop, settings, windows, header blocks, and how it ends. What
 * depends on who opened it (who may open streams, who polices whom) is in server-connection.ts and
 * client-connection.ts. Handlers are named after the frames; each returns nothing and, on a violation, fails the
 * connection or resets the stream with the code that RFC 9113 asks for.
 *
 *   open ─fail, finish─▶ ending ─socket closed─▶ closed
 *
 * All memory that a peer can make us hold has a bound in limits.ts, and none of it is time: a connection does work
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
  maxInt31,
  readInt31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { HeaderBlock } from './header-block.ts';
import type { HeaderList } from './header-list.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { type HeaderTemplate, HpackEncoder } from './hpack-encoder.ts';
import { KeepAlive, type KeepAliveOptions, type KeepAliveOwner } from './keep-alive.ts';
import { limits } from './limits.ts';
import { Output } from './output.ts';
import { Sender } from './sender.ts';
import { PeerSettings } from './settings.ts';
import { type Stream, StreamState } from './stream.ts';

const Phase = { OPEN: 0, ENDING: 1, CLOSED: 2 } as const;
const noLead = Buffer.alloc(0);
const keepAlivePing = Buffer.from('bulkhead', 'latin1');

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly keepAlive: KeepAliveOptions;
  readonly streamWindowBytes: number;
  /** Something threw while frames were handled: a bug. The connection is closed, others go on. */
  readonly onBug: (error: unknown) => void;
}

export abstract class Connection implements FrameSink, KeepAliveOwner {
  readonly socket: Socket;
  readonly output: Output;
  readonly sender: Sender;
  readonly peer = new PeerSettings();
  readonly streamWindowBytes: number;
  /** Why the connection ended, for logs and statuses. */
  failure = '';
  protected readonly clock: Clock;
  protected readonly keepAlive: KeepAlive;
  protected readonly streams = new Map<number, Stream>();
  /** The highest ID of a stream that the peer opened. */
  protected lastPeerStreamId = 0;
  protected hasPeerSettings = false;
  readonly #encoder = new HpackEncoder(limits.headerTableBytesMax);
  readonly #decoder = new HpackDecoder(limits.headerTableBytesMax, limits.headerListBytesMax);
  readonly #reader: FrameReader;
  readonly #headerBlock = new HeaderBlock();
  readonly #onBug: (error: unknown) => void;
  #phase: number = Phase.OPEN;
  #receiveWindow: number = limits.connectionWindowBytes;
  #unacknowledged = 0;
  #stoppedBytes = 0;
  #controlFrames = 0;
  #emptyFrames = 0;
  #emptyFramesSinceMs: number;
  #isReading = false;
  #isPumpDue = false;
  #isPaused = false;
  #cancelTimer: CancelTimer;

  constructor(options: ConnectionOptions) {
    const { socket, clock } = options;
    this.socket = socket;
    this.clock = clock;
    this.#emptyFramesSinceMs = clock.nowMs();
    this.streamWindowBytes = options.streamWindowBytes;
    this.output = new Output(socket);
    this.sender = new Sender(this);
    this.keepAlive = new KeepAlive(clock, options.keepAlive, this);
    this.#onBug = options.onBug;
    this.#reader = new FrameReader(this, limits.frameBytesMax);
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

  /** HEADERS of a stream, or of a trailing block. */
  protected abstract onHeaderList(
    streamId: number,
    list: HeaderList,
    ended: boolean,
    dependsOnItself: boolean,
  ): void;
  /** DATA for a stream that is not open (any more). Its bytes are accounted for already. */
  protected abstract onStrayData(streamId: number): void;
  /** Whether the ID belongs to a stream that nobody opened yet. */
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onPing(isAck: boolean): void;
  protected abstract onGoAway(lastStreamId: number, code: number, text: string): void;
  protected abstract onFirstSettings(): void;
  /** The peer's settings or a stream's end may have made room for another stream. */
  protected abstract onRoom(): void;
  /** A stream has left the table, because it ended or was reset by us. */
  protected abstract onForgotten(stream: Stream, wasReset: boolean): void;
  /** The connection is over, and every stream has been told. */
  protected abstract onClosed(): void;

  /** Bytes from the socket. Public for the bytes that were read before the connection was made. */
  receive(chunk: Buffer): void {
    if (this.#phase !== Phase.OPEN) return;
    this.keepAlive.heard();
    if (this.socket.writableLength === 0) this.#controlFrames = 0;
    this.#isReading = true;
    try {
      this.#reader.feed(chunk);
      this.#isReading = false;
      if (this.#isPumpDue) this.#pump();
    } catch (error) {
      this.#isReading = false;
      this.#onBug(error);
      this.fail(ErrorCode.INTERNAL_ERROR, 'internal error');
    }
    this.#stopReadingWhenBehind();
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
    const lost = [...this.streams.values()];
    this.streams.clear();
    for (const stream of lost) {
      stream.state |= StreamState.CLOSED;
      stream.queue = null;
      stream.onLost(this.failure, false);
    }
    this.onClosed();
  }

  // ---- Frames in ----

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): boolean {
    const open = this.#headerBlock.streamId;
    if (open !== 0 && (type !== FrameType.CONTINUATION || streamId !== open)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'a header block was interrupted');
      return false;
    }
    if (!this.hasPeerSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
      return false;
    }
    switch (type) {
      case FrameType.DATA:
        this.#onData(flags, streamId, bytes, start, end);
        break;
      case FrameType.HEADERS:
        this.#onHeaders(flags, streamId, bytes, start, end);
        break;
      case FrameType.CONTINUATION:
        this.#onContinuation(flags, streamId, bytes, start, end);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(streamId, bytes, start, end);
        break;
      case FrameType.RST_STREAM:
        this.#onRstStream(streamId, bytes, start, end);
        break;
      case FrameType.SETTINGS:
        this.#onSettings(flags, streamId, bytes, start, end);
        break;
      case FrameType.PING:
        this.#onPingFrame(flags, streamId, bytes, start, end);
        break;
      case FrameType.GOAWAY:
        this.#onGoAwayFrame(streamId, bytes, start, end);
        break;
      case FrameType.PRIORITY:
        this.#onPriority(streamId, bytes, start, end);
        break;
      case FrameType.PUSH_PROMISE:
        this.fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE is not allowed');
        break;
      default:
        this.#countEmptyFrame();
    }
    return this.#phase === Phase.OPEN;
  }

  onOversizedFrame(): void {
    const reason = this.hasPeerSettings
      ? 'frame too large'
      : 'the other side does not speak HTTP/2';
    this.fail(ErrorCode.FRAME_SIZE_ERROR, reason);
  }

  #onData(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (streamId === 0 || this.isIdle(streamId)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on a stream that is not open');
      return;
    }
    let start = from;
    let end = to;
    if ((flags & Flag.PADDED) !== 0) {
      end -= start < end ? (bytes[start] as number) : 0;
      start++;
      if (end < start) {
        this.fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
        return;
      }
    }
    if (!this.#accountReceived(to - from)) return;
    const ended = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !ended) this.#countEmptyFrame();
    else this.#emptyFrames = 0;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.onStrayData(streamId);
      return;
    }
    if (stream.hasRemoteEnded) {
      this.failStream(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    if ((stream.state & StreamState.HEADERS_SEEN) === 0) {
      this.failStream(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const violation = stream.accountReceived(to - from, end - start, ended);
    if (violation !== ErrorCode.NO_ERROR) {
      this.failStream(stream, violation);
      return;
    }
    stream.onData(bytes, start, end, ended);
    if (ended) this.forgetWhenDone(stream);
  }

  /** The connection's window is given back at once: streams are held back one by one, by their own windows. */
  #accountReceived(bytes: number): boolean {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the window allows');
      return false;
    }
    this.#unacknowledged += bytes;
    if (this.#unacknowledged * 4 >= limits.connectionWindowBytes) {
      this.writeWindowUpdate(0, this.#unacknowledged);
      this.#receiveWindow += this.#unacknowledged;
      this.#unacknowledged = 0;
    }
    return true;
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    let start = from;
    let end = to;
    if ((flags & Flag.PADDED) !== 0) {
      end -= start < end ? (bytes[start] as number) : 0;
      start++;
    }
    let dependsOnItself = false;
    if ((flags & Flag.PRIORITY) !== 0) {
      dependsOnItself = start + 4 < end && readInt31(bytes, start) === streamId;
      start += 5;
    }
    if (streamId === 0 || end < start) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'malformed HEADERS');
      return;
    }
    const ended = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#onBlock(streamId, bytes, start, end, ended, dependsOnItself);
      return;
    }
    this.#headerBlock.begin(streamId, ended, dependsOnItself);
    this.#headerBlock.append(bytes, start, end);
  }

  #onContinuation(
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const block = this.#headerBlock;
    if (block.streamId === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without a header block');
    } else if (!block.append(bytes, start, end)) {
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'header block too large');
    } else if ((flags & Flag.END_HEADERS) !== 0) {
      const whole = block.take();
      this.#onBlock(streamId, whole, 0, whole.length, block.endStream, block.dependsOnItself);
    }
  }

  #onBlock(
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
    ended: boolean,
    dependsOnItself: boolean,
  ): void {
    this.#emptyFrames = 0;
    const list = this.#decoder.decode(bytes, start, end);
    if (list === null) this.fail(ErrorCode.COMPRESSION_ERROR, 'malformed header block');
    else this.onHeaderList(streamId, list, ended, dependsOnItself);
  }

  #onPriority(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#countEmptyFrame();
    if (streamId === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    else if (end - start !== 5) this.refuseStream(streamId, ErrorCode.FRAME_SIZE_ERROR);
    else if (readInt31(bytes, start) === streamId) {
      this.refuseStream(streamId, ErrorCode.PROTOCOL_ERROR);
    }
  }

  #onRstStream(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed RST_STREAM');
      return;
    }
    if (streamId === 0 || this.isIdle(streamId)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on a stream that is not open');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#countEmptyFrame();
      return;
    }
    this.#forget(stream, false);
    stream.onReset(readUint32(bytes, start));
  }

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
      return;
    }
    const isAck = (flags & Flag.ACK) !== 0;
    if ((end - start) % 6 !== 0 || (isAck && end > start)) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed SETTINGS');
      return;
    }
    this.#countEmptyFrame();
    if (isAck) return;
    const windowBytes = this.peer.initialWindowBytes;
    const violation = this.peer.apply(bytes, start, end);
    if (violation !== ErrorCode.NO_ERROR) {
      this.fail(violation, 'illegal setting');
      return;
    }
    this.#encoder.setPeerTableBytes(this.peer.headerTableBytes);
    this.#writeControl(FrameType.SETTINGS, Flag.ACK, 0, noLead);
    if (this.peer.initialWindowBytes > windowBytes) this.#onWiderWindows();
    if (!this.hasPeerSettings) {
      this.hasPeerSettings = true;
      this.#cancelTimer();
      this.onFirstSettings();
    }
    this.onRoom();
  }

  /** RFC 9113, section 6.9.2: the setting moves the window of every stream, and none may overflow. */
  #onWiderWindows(): void {
    for (const stream of this.streams.values()) {
      if (this.peer.initialWindowBytes + stream.sendCredit > maxInt31) {
        this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
        return;
      }
      if (stream.queue !== null) this.sender.line(stream);
    }
  }

  #onPingFrame(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
      return;
    }
    if (end - start !== 8) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed PING');
      return;
    }
    this.#countEmptyFrame();
    const isAck = (flags & Flag.ACK) !== 0;
    if (!isAck) {
      this.#writeControl(FrameType.PING, Flag.ACK, 0, bytes.subarray(start, end));
    }
    this.onPing(isAck);
  }

  #onGoAwayFrame(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
    } else if (end - start < 8) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed GOAWAY');
    } else {
      const text = bytes.toString('latin1', start + 8, Math.min(end, start + 8 + 256));
      this.onGoAway(readInt31(bytes, start), readUint32(bytes, start + 4), text);
    }
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.fail(ErrorCode.FRAME_SIZE_ERROR, 'malformed WINDOW_UPDATE');
      return;
    }
    const bytesMore = readInt31(bytes, start);
    if (streamId === 0) {
      if (bytesMore === 0) this.fail(ErrorCode.PROTOCOL_ERROR, 'empty WINDOW_UPDATE');
      else if (!this.sender.widen(bytesMore)) {
        this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
      }
      this.pumpLater();
      return;
    }
    if (this.isIdle(streamId)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on a stream that is not open');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.#countEmptyFrame();
      return;
    }
    if (bytesMore === 0) {
      this.failStream(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.sendCredit += bytesMore;
    if (this.peer.initialWindowBytes + stream.sendCredit > maxInt31) {
      this.failStream(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else if (stream.queue !== null) {
      this.sender.line(stream);
    }
  }

  /** Frames that carry nothing are harmless one by one, and after anything that we sent they may be an echo of it. */
  #countEmptyFrame(): void {
    if (++this.#emptyFrames <= limits.emptyFramesMax) return;
    const nowMs = this.clock.nowMs();
    const isFlood = nowMs - this.#emptyFramesSinceMs < limits.emptyFramesWindowMs;
    this.#emptyFrames = 0;
    this.#emptyFramesSinceMs = nowMs;
    if (!isFlood) return;
    this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames that carry nothing');
  }

  // ---- Frames out ----

  /** HEADERS with the template's block and, behind it, `tail`: literals that touch no table. */
  writeHeaders(
    stream: Stream,
    template: HeaderTemplate,
    tail: Uint8Array | null,
    ended: boolean,
  ): void {
    const block = this.#encoder.encode(template);
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
    this.#writeControl(FrameType.WINDOW_UPDATE, 0, streamId, payload);
  }

  /** RST_STREAM for a stream that is not in the table. */
  protected refuseStream(streamId: number, code: number): void {
    const payload = Buffer.allocUnsafe(4);
    writeUint32(payload, 0, code);
    this.#writeControl(FrameType.RST_STREAM, 0, streamId, payload);
  }

  protected writeGoAway(lastStreamId: number, code: number, text: string): void {
    const payload = Buffer.alloc(8 + text.length);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    payload.write(text, 8, 'latin1');
    this.#writeControl(FrameType.GOAWAY, 0, 0, payload);
  }

  sendKeepAlive(): void {
    this.#writeControl(FrameType.PING, 0, 0, keepAlivePing);
  }

  onSilence(): void {
    this.failure = 'keepalive ping was not answered in time';
    this.close(this.failure);
    this.socket.destroy();
  }

  #writeControl(type: number, flags: number, streamId: number, payload: Uint8Array): void {
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
  protected onSent(): void {
    this.#emptyFrames = 0;
  }

  #endLocal(stream: Stream): void {
    stream.state |= StreamState.LOCAL_ENDED;
    this.forgetWhenDone(stream);
  }

  /** Removes the stream when both sides have ended. */
  protected forgetWhenDone(stream: Stream): void {
    const ended = StreamState.LOCAL_ENDED | StreamState.REMOTE_ENDED;
    if ((stream.state & ended) === ended) this.#forget(stream, false);
  }

  /** Resets a stream on the user's behalf. */
  resetStream(stream: Stream, code: number): void {
    if (stream.id !== 0) this.refuseStream(stream.id, code);
    this.#forget(stream, true);
  }

  /** Resets a stream because the peer broke a rule. */
  protected failStream(stream: Stream, code: number): void {
    this.resetStream(stream, code);
    stream.onReset(code);
  }

  #forget(stream: Stream, wasReset: boolean): void {
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
