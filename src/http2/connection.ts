/**
 * An HTTP/2 connection, composed of one part per concern. Received bytes run from left to right, sent bytes back:
 *
 *   socket ─▶ FrameReader ─▶ FrameHandler ─▶ OpenStreams, Role ─▶ Stream
 *   socket ◀─ Output ◀─ FrameWriter ◀─ Sender, Receiver ◀─ Stream
 *
 * This file has the life of the connection and the pace of its reads:
 *
 *   open ─fail, close─▶ ending ─socket closed─▶ closed
 *
 * All memory that a peer can make the process hold is bounded in limits.ts. CPU time is bounded by reading: a connection does
 * work in proportion to the bytes it receives, and stops reading while the peer does not read.
 *
 * The optimizing compiler inlines only so many bytecodes into one function, so a part adds a cost per call when a hot path is
 * cut into more functions than fit. Streams therefore call the frame writer and the sender directly, and the methods in
 * between are short. bench/micro/http2.bench.ts, "exchanges" (2-core VM, Node 24, 2026-11): 0.22 µs, as with one class of
 * inherited levels; 0.25 µs with one more call between a stream and each part.
 */
import type { Socket } from 'node:net';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { ErrorCode, errorName } from './frame.ts';
import { FrameHandler, type FrameTarget } from './frame-handler.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { KeepAlive, type KeepAliveOptions, type KeepAliveOwner } from './keep-alive.ts';
import { limits } from './limits.ts';
import { OpenStreams } from './open-streams.ts';
import { Output } from './output.ts';
import { type ReadTurns, readTurns, type TurnTaker } from './read-turns.ts';
import { Receiver } from './receiver.ts';
import type { Role } from './role.ts';
import { Sender } from './sender.ts';
import { PeerSettings } from './settings.ts';
import type { Stream, StreamConnection } from './stream.ts';

const Phase = { OPEN: 0, ENDING: 1, CLOSED: 2 } as const;

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly keepAlive: KeepAliveOptions;
  /** Handling a frame threw, which is a bug. The connection is closed; other connections continue. */
  readonly onBug: (error: unknown) => void;
  /** Where messages count that wait to be sent. Without it they do not count. */
  readonly queueAccount?: ByteAccount;
  /** The connections that share the turns of the event loop. Missing: all of the process. */
  readonly turns?: ReadTurns;
}

export class Connection implements StreamConnection, FrameTarget, KeepAliveOwner, TurnTaker {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly streamWindowBytes: number;
  readonly peer = new PeerSettings();
  readonly output: Output;
  readonly writer: FrameWriter;
  readonly receiver: Receiver;
  readonly streams: OpenStreams;
  readonly sender: Sender;
  readonly keepAlive: KeepAlive;
  readonly queueAccount: ByteAccount | null;
  /** Why the connection ended, for logs and statuses. */
  failure = '';
  readonly #role: Role;
  readonly #reader: FrameReader;
  readonly #onBug: (error: unknown) => void;
  readonly #turns: ReadTurns | null;
  #phase: number = Phase.OPEN;
  #isPaused = false;
  /** Bytes wait for another turn of the event loop. */
  #isLate = false;
  #cancelTimer: CancelTimer;

  /** `role` is called only after the constructor has returned. */
  constructor(options: ConnectionOptions, role: Role) {
    const { socket, clock } = options;
    this.socket = socket;
    this.clock = clock;
    this.streamWindowBytes = role.traits.streamWindowBytes;
    this.output = new Output(socket);
    this.writer = new FrameWriter(this.output);
    this.receiver = new Receiver(this.writer);
    this.streams = new OpenStreams(this.writer, this.receiver, role);
    this.sender = new Sender(this.writer, this.peer, this.streams);
    this.keepAlive = new KeepAlive(clock, options.keepAlive, this);
    this.queueAccount = options.queueAccount ?? null;
    this.#role = role;
    this.#reader = new FrameReader(
      new FrameHandler(this, role),
      limits.frameBytesMax,
      role.traits.readsAreBorrowed,
    );
    this.#onBug = options.onBug;
    this.#turns = role.traits.takesTurns ? (options.turns ?? readTurns) : null;
    this.#cancelTimer = clock.after(limits.settingsTimeoutMs, () => {
      this.fail(ErrorCode.SETTINGS_TIMEOUT, 'no SETTINGS within the time limit');
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', (error) => this.#onSocketEnd(error.message));
    socket.on('end', () => this.#onSocketEnd('closed by the peer'));
    socket.on('close', () => this.#onSocketEnd('connection closed'));
  }

  get isOpen(): boolean {
    return this.#phase === Phase.OPEN;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** Processes bytes from the socket. Called directly for bytes that did not arrive as a `data` event. */
  receive(chunk: Buffer): void {
    if (this.#phase !== Phase.OPEN) return;
    this.keepAlive.onBytes();
    if (this.socket.writableLength === 0) this.writer.controlFrames = 0;
    this.sender.hold();
    try {
      this.#reader.feed(chunk);
      this.sender.release();
    } catch (error) {
      this.#onBug(error);
      this.fail(ErrorCode.INTERNAL_ERROR, 'internal error');
    }
    this.#pauseIfBehind();
  }

  onHandshake(): void {
    this.#cancelTimer();
  }

  shed(stream: Stream): void {
    if (!stream.isClosed) {
      this.streams.fail(stream, ErrorCode.ENHANCE_YOUR_CALM);
      return;
    }
    this.close('the peer does not read');
    this.socket.destroy();
  }

  /** Ends the connection with an error code, which the peer gets in GOAWAY. Open streams are lost. */
  fail(code: number, reason: string): void {
    if (this.#phase !== Phase.OPEN) return;
    this.#phase = Phase.ENDING;
    this.failure ||= `${errorName(code)}: ${reason}`;
    this.writer.goAway(this.#role.lastPeerStreamId, code, reason);
    this.output.flush();
    this.socket.end();
    this.#release();
    // Bytes that the peer still sends are read and dropped: a TCP reset on unread bytes could overtake the GOAWAY.
    this.socket.resume();
    this.#cancelTimer = this.clock.after(limits.lingerMs, () => this.socket.destroy());
  }

  /** Ends the connection without an error. Open streams are lost. */
  close(reason: string): void {
    this.failure ||= reason;
    this.fail(ErrorCode.NO_ERROR, '');
  }

  #onSocketEnd(reason: string): void {
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
    this.sender.stop();
    this.streams.abortAll(this.failure);
    this.#role.onClosed();
  }

  sendKeepAlive(): void {
    this.writer.ping();
  }

  onKeepAliveTimeout(): void {
    this.failure = 'keepalive ping was not acknowledged in time';
    this.close(this.failure);
    this.socket.destroy();
  }

  // ---- Pace of reading ----

  #onData(chunk: Buffer): void {
    if (this.#turns === null || this.#turns.admit(this, chunk)) {
      this.receive(chunk);
      return;
    }
    this.#isLate = true;
    this.socket.pause();
  }

  onTurn(chunk: Buffer): void {
    this.#isLate = false;
    this.receive(chunk);
    if (!this.#isPaused) this.socket.resume();
  }

  #pauseIfBehind(): void {
    const { socket } = this;
    if (!socket.writableNeedDrain || this.#isPaused) return;
    const isBehind =
      this.#role.traits.pausesAtBacklog && socket.writableLength > limits.socketBacklogBytesMax;
    if (!isBehind && this.writer.controlFrames <= limits.controlFramesMax) return;
    this.#isPaused = true;
    socket.pause();
  }

  #onDrain(): void {
    this.writer.controlFrames = 0;
    if (this.#isPaused) {
      this.#isPaused = false;
      if (!this.#isLate) this.socket.resume();
    }
    this.sender.pump();
  }
}
