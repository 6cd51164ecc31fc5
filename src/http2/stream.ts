/**
 * One stream: its state, its two windows and what waits to be sent. The user of the engine extends it, so that a call is
 * one object: the engine calls the `on…` methods, the user the others. It holds no received bytes; they are handed up
 * as they come, and who cannot take more says `stopReading`, after which the peer's window runs dry.
 *
 * State is a set of bits. A stream is open from `adopt` or `open` until both sides ended or either reset it:
 *
 *   idle ─▶ open ─LOCAL_ENDED─▶ half closed (local) ──REMOTE_ENDED─▶ CLOSED
 *             └──REMOTE_ENDED─▶ half closed (remote) ──LOCAL_ENDED─▶ CLOSED
 *   any ─reset, or the connection is lost─▶ CLOSED
 */
import type { Connection } from './connection.ts';
import { ErrorCode } from './frame.ts';
import type { HeaderTemplate } from './hpack/encoder.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { limits } from './limits.ts';
import { SendQueue } from './send-queue.ts';

export const StreamState = {
  LOCAL_ENDED: 1,
  REMOTE_ENDED: 2,
  CLOSED: 4,
  HEADERS_SEEN: 8,
  READING_STOPPED: 16,
  /** It stands in the sender's line. */
  IN_LINE: 32,
  /** Its producer knows that the queue is full and waits for `onDrained`. */
  FULL: 64,
} as const;

export abstract class Stream {
  readonly connection: Connection;
  /** 0 until a client's stream is opened on the wire. */
  id = 0;
  state = 0;
  /**
   * What the peer's window updates granted minus what was sent. The window is this plus the peer's initial window size,
   * so that a change of that setting moves all windows at once and costs nothing, however many streams there are.
   */
  sendCredit = 0;
  /** DATA that waits for a window or for the socket; null when none does. */
  queue: SendQueue | null = null;
  /** What the peer may still send. */
  receiveWindow: number;
  /** Received and not yet granted again. */
  unacknowledged = 0;
  /** The part of it that came while reading was stopped. */
  stoppedBytes = 0;
  /** What `content-length` still promises, or -1. */
  contentRemaining = -1;

  constructor(connection: Connection) {
    this.connection = connection;
    this.receiveWindow = connection.streamWindowBytes;
  }

  /** The head of the message; a client may see several, of which only the last is no 1xx. */
  abstract onHeaders(list: HeaderList, ended: boolean): void;
  /**
   * `bytes[start..end)` arrived, possibly nothing but the end. On a server's connection they may be kept, and pin the read
   * buffer that they lie in; on a client's they are valid until this returns.
   */
  abstract onData(bytes: Buffer, start: number, end: number, ended: boolean): void;
  /** The remote side ended with trailers. */
  abstract onTrailers(list: HeaderList): void;
  /** The peer reset the stream, or broke a rule for which we did: `code` says which. Nothing is called afterwards. */
  abstract onReset(code: number): void;
  /** The connection is gone. `isUnsent`: the peer has certainly not acted on this stream. Nothing is called afterwards. */
  abstract onLost(reason: string, isUnsent: boolean): void;
  /** After `mustWait`: everything has left. */
  abstract onDrained(): void;

  get isClosed(): boolean {
    return (this.state & StreamState.CLOSED) !== 0;
  }

  get hasRemoteEnded(): boolean {
    return (this.state & StreamState.REMOTE_ENDED) !== 0;
  }

  /** More waits than should. Once this has returned true, `onDrained` follows. */
  mustWait(): boolean {
    if (this.queue === null || this.queue.bytes < limits.streamQueueBytesMax) return false;
    this.state |= StreamState.FULL;
    return true;
  }

  sendHeaders(template: HeaderTemplate, ended: boolean): void {
    if (this.isClosed) return;
    this.connection.writeHeaders(this, template, null, ended);
  }

  /**
   * Sends `lead` (copied, may be reused) and `body` (may be kept until sent) as one piece of DATA, now if the windows
   * allow it and else when they do. `isOwn`: nobody else has the memory that `body` lies in. It is given back as soon as the
   * socket has taken it, and whoever still holds a view of it then holds nothing.
   */
  sendData(lead: Uint8Array, body: Uint8Array, ended: boolean, isOwn = false): void {
    if (this.isClosed) return;
    const { sender } = this.connection;
    if (this.queue === null) {
      if (sender.fits(this, lead.length + body.length)) {
        sender.write(this, lead, body, ended);
        return;
      }
      this.queue = new SendQueue();
    }
    this.queue.push(lead, body, ended, isOwn);
    sender.line(this);
  }

  /** Ends our side, behind all data that still waits. */
  sendTrailers(template: HeaderTemplate): void {
    if (this.isClosed) return;
    if (this.queue !== null) this.queue.trailers = template;
    else this.connection.writeHeaders(this, template, null, true);
  }

  /** Ends both sides at once. Nothing is called afterwards. */
  reset(code: number): void {
    if (this.isClosed) return;
    this.connection.resetStream(this, code);
  }

  /** Grants the peer nothing more on this stream; what is under way still arrives. */
  stopReading(): void {
    this.state |= StreamState.READING_STOPPED;
  }

  continueReading(): void {
    if ((this.state & StreamState.READING_STOPPED) === 0) return;
    this.state &= ~StreamState.READING_STOPPED;
    this.connection.releaseStopped(this);
    this.#grant();
  }

  /** Accounts for a DATA frame; returns the error it amounts to, or NO_ERROR. Called by the connection. */
  accountReceived(frameBytes: number, contentBytes: number, ended: boolean): number {
    this.receiveWindow -= frameBytes;
    if (this.receiveWindow < 0) return ErrorCode.FLOW_CONTROL_ERROR;
    if (this.contentRemaining >= 0) {
      this.contentRemaining -= contentBytes;
      if (this.contentRemaining < 0 || (ended && this.contentRemaining > 0)) {
        return ErrorCode.PROTOCOL_ERROR;
      }
    }
    if (ended) {
      this.state |= StreamState.REMOTE_ENDED;
      return ErrorCode.NO_ERROR;
    }
    this.unacknowledged += frameBytes;
    if ((this.state & StreamState.READING_STOPPED) === 0) this.#grant();
    else if (!this.connection.holdStopped(this, frameBytes)) return ErrorCode.ENHANCE_YOUR_CALM;
    return ErrorCode.NO_ERROR;
  }

  #grant(): void {
    if (this.unacknowledged * 2 < this.connection.streamWindowBytes) return;
    if ((this.state & (StreamState.REMOTE_ENDED | StreamState.CLOSED)) !== 0) return;
    this.connection.writeWindowUpdate(this.id, this.unacknowledged);
    this.receiveWindow += this.unacknowledged;
    this.unacknowledged = 0;
  }
}
