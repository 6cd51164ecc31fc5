/**
 * One stream: its state, its two windows and the DATA that waits to be sent. Users of the engine extend it, so that a call is
 * one object: the engine calls the `on…` methods, the user calls the others. Received bytes are passed on as they arrive
 * and never held; a user that needs backpressure calls `pauseReading`, and the peer's window then runs empty.
 *
 * State is a set of bits. A stream is open until both sides have ended it, either side resets it, or the connection ends:
 *
 *   idle ─▶ open ─LOCAL_ENDED─▶ half-closed (local) ──REMOTE_ENDED─▶ CLOSED
 *             └──REMOTE_ENDED─▶ half-closed (remote) ──LOCAL_ENDED─▶ CLOSED
 *   any ─reset, or the connection ends─▶ CLOSED
 *
 * The interfaces below list what a stream needs of its connection. They are declared here, and implemented by parts of the
 * connection, so that imports run in one direction.
 */
import type { ByteAccount } from '../runtime/byte-budget.ts';
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
  READING_PAUSED: 16,
  /** The stream is in the sender's queue. */
  ENQUEUED: 32,
  /** `mustWait` or `mustWaitForWindow` returned true, so `onDrained` is due. */
  FULL: 64,
  /** No window is granted until memory for a message is reserved. */
  WINDOW_WITHHELD: 128,
} as const;

export interface StreamSender {
  /** Whether so many bytes of DATA may be sent on the stream now, in one frame. */
  fits(stream: Stream, bytes: number): boolean;
  /** Sends one DATA frame that `fits`. */
  send(stream: Stream, lead: Uint8Array, body: Uint8Array, ended: boolean): void;
  /** The stream has DATA in its queue, to be sent when the windows allow it, or waits for a window. */
  enqueue(stream: Stream): void;
  /** Whether the window of the stream or of the connection is closed. */
  isWindowClosed(stream: Stream): boolean;
}

export interface StreamReceiver {
  /** Sends WINDOW_UPDATE for the stream. */
  grant(streamId: number, bytes: number): void;
  /** Counts bytes that arrived while the stream's reading was paused; false over the connection's limit. */
  holdPaused(stream: Stream, bytes: number): boolean;
  /** Stops counting them. */
  releasePaused(stream: Stream): void;
}

/** What a stream needs of its connection. */
export interface StreamConnection {
  readonly streamWindowBytes: number;
  readonly sender: StreamSender;
  readonly receiver: StreamReceiver;
  readonly writer: {
    headers(streamId: number, template: HeaderTemplate, ended: boolean): void;
  };
  readonly streams: {
    /** END_STREAM was sent. */
    endLocal(stream: Stream): void;
    /** Sends RST_STREAM and closes the stream. */
    reset(stream: Stream, code: number): void;
  };
  /** Where queued messages count; null if they do not. */
  readonly queueAccount: ByteAccount | null;
  /** Gives back the memory of a stream's queue: resets the stream, or closes a connection whose peer does not read. */
  shed(stream: Stream): void;
}

export abstract class Stream {
  readonly connection: StreamConnection;
  /** 0 until a client's HEADERS are sent. */
  id = 0;
  state = 0;
  /**
   * Bytes granted by the peer's WINDOW_UPDATE frames minus bytes sent. The send window is this plus the peer's initial window
   * size, so that a change of that setting moves the windows of all streams at no cost.
   */
  sendCredit = 0;
  /** DATA that waits for a window or for the socket; null if nothing waits. */
  queue: SendQueue | null = null;
  /** The usual window of the peer. */
  windowBytes: number;
  /** Bytes that the peer may still send. */
  receiveWindow: number;
  /** Bytes received since the last WINDOW_UPDATE, less what `grantWindow` has granted beyond the usual window. */
  unacknowledged = 0;
  /** The part of `unacknowledged` that arrived while reading was paused. */
  pausedBytes = 0;
  /** Bytes that `content-length` announced and that have not arrived yet; -1 without that header. */
  contentRemaining = -1;

  constructor(connection: StreamConnection) {
    this.connection = connection;
    this.windowBytes = connection.streamWindowBytes;
    this.receiveWindow = connection.streamWindowBytes;
  }

  /** The request head on a server; the final response head on a client (1xx heads are dropped). */
  abstract onHeaders(list: HeaderList, ended: boolean): void;
  /**
   * `bytes[start..end)` arrived; it may be empty if `ended`. On a server the bytes may be kept, which keeps the read buffer
   * behind them in memory. On a client they are valid until this method returns.
   */
  abstract onData(bytes: Buffer, start: number, end: number, ended: boolean): void;
  /** The peer ended the stream with trailers. */
  abstract onTrailers(list: HeaderList): void;
  /** The stream was reset by the peer, or because the peer violated the protocol. No method is called afterwards. */
  abstract onReset(code: number): void;
  /**
   * The connection ended. `isUnsent`: the peer certainly did not process this stream. No method is called afterwards.
   */
  abstract onLost(reason: string, isUnsent: boolean): void;
  /** Follows a `mustWait` that returned true: the queue is empty. */
  abstract onDrained(): void;

  get isClosed(): boolean {
    return (this.state & StreamState.CLOSED) !== 0;
  }

  /** Whether END_STREAM was sent. It is sent after all DATA that waits. */
  get hasLocalEnded(): boolean {
    return (this.state & StreamState.LOCAL_ENDED) !== 0;
  }

  get hasRemoteEnded(): boolean {
    return (this.state & StreamState.REMOTE_ENDED) !== 0;
  }

  get isReadingPaused(): boolean {
    return (this.state & StreamState.READING_PAUSED) !== 0;
  }

  /** Whether a larger window has an effect. */
  get isBlocked(): boolean {
    return this.queue !== null || (this.state & StreamState.FULL) !== 0;
  }

  /** Whether the producer must pause because the queue is full. If true, `onDrained` follows. */
  mustWait(): boolean {
    if (this.queue === null || this.queue.bytes < limits.streamQueueBytesMax) return false;
    this.state |= StreamState.FULL;
    return true;
  }

  /** Whether the peer takes no DATA now. If true, `onDrained` follows when it does, unless the stream was ended before. */
  mustWaitForWindow(): boolean {
    const { sender } = this.connection;
    if (this.isClosed || !sender.isWindowClosed(this)) return false;
    this.state |= StreamState.FULL;
    sender.enqueue(this);
    return true;
  }

  sendHeaders(template: HeaderTemplate, ended: boolean): void {
    if (this.isClosed) return;
    this.connection.writer.headers(this.id, template, ended);
    if (ended) this.connection.streams.endLocal(this);
  }

  /**
   * Sends `lead` and `body` as consecutive DATA, now if the windows allow it, otherwise when they do. `lead` is copied and may
   * be reused. `body` may be kept by reference and must not change until it is sent.
   *
   * `isOwned` is the caller's statement about `body`. True: the caller gives up all the memory that `body` lies in, which may be
   * released after sending (runtime/large-memory.ts). False: `body` is shared. It may be queued on any number of streams,
   * and its memory is never written to or released.
   */
  sendData(lead: Uint8Array, body: Uint8Array, ended: boolean, isOwned: boolean): void {
    if (this.isClosed) return;
    const { sender } = this.connection;
    if (this.queue === null) {
      if (sender.fits(this, lead.length + body.length)) {
        sender.send(this, lead, body, ended);
        return;
      }
      this.queue = new SendQueue(this.connection.queueAccount, this);
    }
    this.queue.push(lead, body, ended, isOwned);
    sender.enqueue(this);
  }

  /** Ends the stream locally, after all DATA that waits. */
  sendTrailers(template: HeaderTemplate): void {
    if (this.isClosed) return;
    if (this.queue !== null) this.queue.trailers = template;
    else this.sendHeaders(template, true);
  }

  /** Ends both directions at once. No `on…` method is called afterwards. */
  reset(code: number): void {
    if (this.isClosed) return;
    this.connection.streams.reset(this, code);
  }

  /** The process needs the memory of the queue. */
  onQueueShed(): void {
    this.connection.shed(this);
  }

  /** Stops granting window on this stream. Bytes in flight still arrive. */
  pauseReading(): void {
    this.state |= StreamState.READING_PAUSED;
  }

  /** Like `pauseReading`, and independent of it: until `grantWindow`. */
  withholdWindow(): void {
    this.state |= StreamState.WINDOW_WITHHELD;
  }

  /** Lets the peer send `bytes`, at once and whatever the usual window is. */
  grantWindow(bytes: number): void {
    this.state &= ~StreamState.WINDOW_WITHHELD;
    if ((this.state & (StreamState.REMOTE_ENDED | StreamState.CLOSED)) !== 0) return;
    const more = bytes - this.receiveWindow;
    if (more > 0) {
      this.connection.receiver.grant(this.id, more);
      this.receiveWindow += more;
      this.unacknowledged -= more;
    }
    if ((this.state & StreamState.READING_PAUSED) === 0) this.#grant();
  }

  /** Makes the window of this stream larger for good. */
  widenWindow(bytes: number): void {
    const more = bytes - this.windowBytes;
    if (more <= 0 || (this.state & (StreamState.REMOTE_ENDED | StreamState.CLOSED)) !== 0) return;
    this.windowBytes = bytes;
    this.receiveWindow += more;
    this.connection.receiver.grant(this.id, more);
  }

  resumeReading(): void {
    if ((this.state & StreamState.READING_PAUSED) === 0) return;
    this.state &= ~StreamState.READING_PAUSED;
    this.connection.receiver.releasePaused(this);
    if ((this.state & StreamState.WINDOW_WITHHELD) === 0) this.#grant();
  }

  /**
   * Counts a DATA frame against the stream's window and `content-length`. Returns the error code of a violation, or
   * NO_ERROR. Called by the frame handler.
   */
  countReceived(frameBytes: number, contentBytes: number, ended: boolean): number {
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
    const withheld = this.state & (StreamState.READING_PAUSED | StreamState.WINDOW_WITHHELD);
    if (withheld === 0) this.#grant();
    else if ((withheld & StreamState.READING_PAUSED) === 0) return ErrorCode.NO_ERROR;
    else if (!this.connection.receiver.holdPaused(this, frameBytes)) {
      return ErrorCode.ENHANCE_YOUR_CALM;
    }
    return ErrorCode.NO_ERROR;
  }

  /** Grants what was received, once it is half of the window. */
  #grant(): void {
    if (this.unacknowledged * 2 < this.windowBytes) return;
    if ((this.state & (StreamState.REMOTE_ENDED | StreamState.CLOSED)) !== 0) return;
    this.connection.receiver.grant(this.id, this.unacknowledged);
    this.receiveWindow += this.unacknowledged;
    this.unacknowledged = 0;
  }
}
