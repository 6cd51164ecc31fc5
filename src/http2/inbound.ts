/**
 * What arrives on a connection, as far as both roles share it: the frame loop, settings, header blocks and the peer's use
 * of our windows. Handlers are named after the frames; each returns nothing and, on a violation, fails the connection
 * or resets the stream with the code that RFC 9113 asks for.
 */
import { Connection, type ConnectionOptions } from './connection.ts';
import { ErrorCode, Flag, FrameType, maxInt31, readInt31, readUint32 } from './frame.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { HeaderBlock } from './header-block.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { limits } from './limits.ts';
import { StreamState } from './stream.ts';

const noPayload = Buffer.alloc(0);

export abstract class Inbound extends Connection implements FrameSink {
  readonly #decoder = new HpackDecoder(limits.headerTableBytesMax, limits.headerListBytesMax);
  readonly #reader: FrameReader;
  readonly #headerBlock = new HeaderBlock();
  #receiveWindow: number = limits.connectionWindowBytes;
  #unacknowledged = 0;
  #emptyFrames = 0;
  #emptyFramesSinceMs: number;

  constructor(options: ConnectionOptions) {
    super(options);
    this.#reader = new FrameReader(this, limits.frameBytesMax, options.readsAreBorrowed);
    this.#emptyFramesSinceMs = options.clock.nowMs();
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

  protected override feed(chunk: Buffer): void {
    this.#reader.feed(chunk);
  }

  /** Whatever the peer sends now may be an echo of it. */
  protected override onSent(): void {
    this.#emptyFrames = 0;
  }

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
    return this.isOpen;
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
    this.forget(stream, false);
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
    this.encoder.setPeerTableBytes(this.peer.headerTableBytes);
    this.writeControl(FrameType.SETTINGS, Flag.ACK, 0, noPayload);
    if (this.peer.initialWindowBytes > windowBytes) this.#onWiderWindows();
    if (!this.hasPeerSettings) {
      this.hasPeerSettings = true;
      this.onPrefaceComplete();
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
      this.writeControl(FrameType.PING, Flag.ACK, 0, bytes.subarray(start, end));
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
}
