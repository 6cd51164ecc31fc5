/**
 * A connection that a client opened to us. The client opens streams; we bound how many, answer late frames for streams
 * that are gone, police pings, and leave in two steps: a GOAWAY that refuses nothing yet, and when the client has
 * certainly read it, one that names the last stream.
 */
import type { CancelTimer } from '../runtime/clock.ts';
import { ClosedStreams } from './closed-streams.ts';
import type { RoleOptions } from './connection.ts';
import { ErrorCode, maxInt31 } from './frame.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { Inbound } from './inbound.ts';
import { limits } from './limits.ts';
import { PingPolicy } from './ping-policy.ts';
import { SettingId, settingsFrame } from './settings.ts';
import { type Stream, StreamState } from './stream.ts';

/** What a server does with streams. */
export interface StreamAcceptor {
  /** A client opened a stream; its head follows at once. */
  accept(connection: ServerConnection): Stream;
  onClosed(connection: ServerConnection): void;
}

export interface ServerConnectionOptions extends RoleOptions {
  readonly acceptor: StreamAcceptor;
  /** Concurrent streams; `Infinity` announces no limit. Over it: REFUSED_STREAM. */
  readonly streamsMax: number;
}

const Drain = { NO: 0, ANNOUNCED: 1, FINAL: 2 } as const;

export class ServerConnection extends Inbound {
  protected readonly stopsAtBacklog = true;
  readonly #acceptor: StreamAcceptor;
  readonly #streamsMax: number;
  readonly #pings = new PingPolicy();
  readonly #closed = new ClosedStreams(limits.closedStreamsMax);
  #drain: number = Drain.NO;
  /** Streams above it are refused; known from the second step on. */
  #lastAcceptedId: number = maxInt31;
  #cancelDrain: CancelTimer | null = null;
  #cancelIdle: CancelTimer;
  /** `lastPeerStreamId` when idleness was last looked at; -1 when a ping has come since. */
  #lastSeenId = 0;

  constructor(options: ServerConnectionOptions) {
    super({
      ...options,
      streamWindowBytes: limits.serverStreamWindowBytes,
      readsAreBorrowed: false,
    });
    this.#acceptor = options.acceptor;
    this.#streamsMax = options.streamsMax;
    const settings: [number, number][] = [
      [SettingId.INITIAL_WINDOW_SIZE, limits.serverStreamWindowBytes],
      [SettingId.MAX_HEADER_LIST_SIZE, limits.headerListBytesMax],
    ];
    if (options.streamsMax <= maxInt31) {
      settings.push([SettingId.MAX_CONCURRENT_STREAMS, options.streamsMax]);
    }
    this.output.append(settingsFrame(settings));
    this.writeWindowUpdate(0, limits.connectionWindowBytes - 65_535);
    this.keepAlive.begin();
    this.#cancelIdle = this.clock.after(limits.idleMsMax, () => this.#leaveWhenIdle());
  }

  /** One timer that looks back, since one that every stream moved on would cost something per call. */
  #leaveWhenIdle(): void {
    if (this.openStreams === 0 && this.lastPeerStreamId === this.#lastSeenId) {
      this.drain();
      return;
    }
    this.#lastSeenId = this.lastPeerStreamId;
    this.#cancelIdle = this.clock.after(limits.idleMsMax, () => this.#leaveWhenIdle());
  }

  /** Leaves in peace: open streams may finish, new ones find another connection. */
  drain(): void {
    if (!this.isOpen || this.#drain !== Drain.NO) return;
    this.#drain = Drain.ANNOUNCED;
    this.writeGoAway(maxInt31, ErrorCode.NO_ERROR, '');
    this.sendKeepAlive();
    this.#cancelDrain = this.clock.after(limits.drainPingMs, () => this.#finishDrain());
  }

  /** The client has read the first GOAWAY: what it opened until then is accepted, what comes now is not. */
  #finishDrain(): void {
    if (!this.isOpen || this.#drain !== Drain.ANNOUNCED) return;
    this.#drain = Drain.FINAL;
    this.#cancelDrain?.();
    this.#lastAcceptedId = this.lastPeerStreamId;
    this.writeGoAway(this.#lastAcceptedId, ErrorCode.NO_ERROR, '');
    this.#closeWhenDrained();
  }

  #closeWhenDrained(): void {
    if (this.#drain === Drain.FINAL && this.openStreams === 0) this.close('drained');
  }

  protected override onHeaderList(
    streamId: number,
    list: HeaderList,
    ended: boolean,
    dependsOnItself: boolean,
  ): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.#onTrailers(stream, list, ended);
      return;
    }
    if (streamId % 2 === 0) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'a client may not open even streams');
      return;
    }
    if (streamId <= this.lastPeerStreamId) {
      this.#onLateHeaders(streamId);
      return;
    }
    this.lastPeerStreamId = streamId;
    if (streamId > this.#lastAcceptedId) return;
    const refusal = this.#refusalOf(list, ended, dependsOnItself);
    if (refusal === ErrorCode.NO_ERROR) {
      this.#open(streamId, list, ended);
    } else {
      this.#closed.add(streamId, true);
      this.refuseStream(streamId, refusal);
    }
  }

  /** Why this head opens no stream, or NO_ERROR. */
  #refusalOf(list: HeaderList, ended: boolean, dependsOnItself: boolean): number {
    if (list.tooLarge) return ErrorCode.ENHANCE_YOUR_CALM;
    if (!list.isRequest || dependsOnItself) return ErrorCode.PROTOCOL_ERROR;
    if (ended && list.contentLength > 0) return ErrorCode.PROTOCOL_ERROR;
    return this.openStreams < this.#streamsMax ? ErrorCode.NO_ERROR : ErrorCode.REFUSED_STREAM;
  }

  #open(streamId: number, list: HeaderList, ended: boolean): void {
    const stream = this.#acceptor.accept(this);
    stream.id = streamId;
    stream.state = ended
      ? StreamState.HEADERS_SEEN | StreamState.REMOTE_ENDED
      : StreamState.HEADERS_SEEN;
    stream.contentRemaining = list.contentLength;
    this.streams.add(stream);
    stream.onHeaders(list, ended);
    if (ended) this.forgetWhenDone(stream);
  }

  #onTrailers(stream: Stream, list: HeaderList, ended: boolean): void {
    if (stream.hasRemoteEnded) {
      this.failStream(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (!ended || list.hasPseudo || list.malformed || stream.contentRemaining > 0) {
      this.failStream(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.state |= StreamState.REMOTE_ENDED;
    stream.onTrailers(list);
    this.forgetWhenDone(stream);
  }

  #onLateHeaders(streamId: number): void {
    if (this.#closed.wasReset(streamId)) return;
    const code = this.#closed.has(streamId) ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    this.fail(code, 'HEADERS on a stream that is closed');
  }

  protected override onStrayData(streamId: number): void {
    if (streamId > this.#lastAcceptedId || this.#closed.wasReset(streamId)) return;
    this.#closed.add(streamId, true);
    this.refuseStream(streamId, ErrorCode.STREAM_CLOSED);
  }

  protected override isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId > this.lastPeerStreamId;
  }

  protected override onPing(isAck: boolean): void {
    if (isAck) {
      this.#finishDrain();
      return;
    }
    this.#lastSeenId = -1;
    if (!this.#pings.allows(this.clock.nowMs(), this.openStreams > 0)) {
      this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
    }
  }

  protected override onSent(): void {
    super.onSent();
    this.#pings.forgive();
  }

  /** A client that leaves opens no more streams; those that it has may finish. */
  protected override onGoAway(): void {
    this.drain();
  }

  protected override onFirstSettings(): void {}

  protected override onRoom(): void {}

  /** With our side ended there is no use for what the client still sends. grpc-go tells it likewise. */
  protected override forgetWhenDone(stream: Stream): void {
    super.forgetWhenDone(stream);
    if (
      (stream.state & (StreamState.LOCAL_ENDED | StreamState.CLOSED)) ===
      StreamState.LOCAL_ENDED
    ) {
      this.resetStream(stream, ErrorCode.NO_ERROR);
    }
  }

  protected override onForgotten(stream: Stream, wasReset: boolean): void {
    this.#closed.add(stream.id, wasReset);
    this.#closeWhenDrained();
  }

  protected override onClosed(): void {
    this.#cancelDrain?.();
    this.#cancelIdle();
    this.#acceptor.onClosed(this);
  }
}
