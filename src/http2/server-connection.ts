/**
 * The server's end of a connection. The client opens streams; the server limits how many, handles late frames for closed
 * streams, limits pings (ping-policy.ts) and shuts down gracefully (drain.ts).
 */
import { ClosedStreams } from './closed-streams.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { Drain } from './drain.ts';
import { ErrorCode, maxInt31 } from './frame.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { IdleTimeout } from './idle-timeout.ts';
import { limits } from './limits.ts';
import { PingPolicy } from './ping-policy.ts';
import type { Role, RoleTraits } from './role.ts';
import { SettingId, settingsFrame } from './settings.ts';
import { type Stream, type StreamConnection, StreamState } from './stream.ts';

const traits: RoleTraits = {
  headersBytesMax: limits.requestHeadersBytesMax,
  streamWindowBytes: limits.serverStreamWindowBytes,
  readsAreBorrowed: false,
  pausesAtBacklog: true,
  takesTurns: true,
  // After the response, the rest of the request is useless. grpc-go resets such a stream, too.
  resetsAfterLocalEnd: true,
};

export interface StreamAcceptor {
  /** A client opened a stream. Its `onHeaders` is called next. */
  accept(connection: StreamConnection): Stream;
  onClosed(connection: ServerConnection): void;
}

export interface ServerConnectionOptions extends ConnectionOptions {
  readonly acceptor: StreamAcceptor;
  /** Concurrent streams; `Infinity` announces no limit. Streams over it are rejected: REFUSED_STREAM. */
  readonly streamsMax: number;
  /** Between two pings of the client while streams are open. Missing: etcd's default. */
  readonly pingIntervalMsMin?: number;
}

export class ServerConnection implements Role {
  /** What both roles share. */
  readonly core: Connection;
  readonly traits = traits;
  readonly #acceptor: StreamAcceptor;
  readonly #streamsMax: number;
  readonly #pings: PingPolicy;
  readonly #closed = new ClosedStreams(limits.closedStreamsMax);
  readonly #drain: Drain;
  readonly #idle: IdleTimeout;

  constructor(options: ServerConnectionOptions) {
    this.#acceptor = options.acceptor;
    this.#streamsMax = options.streamsMax;
    this.#pings = new PingPolicy(options.pingIntervalMsMin);
    this.core = new Connection(options, this);
    const { clock, keepAlive, output, streams, writer } = this.core;
    this.#drain = new Drain(this.core);
    const settings: [number, number][] = [
      [SettingId.INITIAL_WINDOW_SIZE, limits.serverStreamWindowBytes],
      [SettingId.MAX_HEADER_LIST_SIZE, traits.headersBytesMax],
    ];
    if (options.streamsMax <= maxInt31) {
      settings.push([SettingId.MAX_CONCURRENT_STREAMS, options.streamsMax]);
    }
    output.append(settingsFrame(settings));
    writer.windowUpdate(0, limits.connectionWindowBytes - 65_535);
    keepAlive.begin();
    this.#idle = new IdleTimeout(clock, streams, () => this.drain());
  }

  get isOpen(): boolean {
    return this.core.isOpen;
  }

  get openStreams(): number {
    return this.core.openStreams;
  }

  /** Why the connection ended, for logs and statuses. */
  get failure(): string {
    return this.core.failure;
  }

  receive(chunk: Buffer): void {
    this.core.receive(chunk);
  }

  /** Shuts down gracefully: open streams may finish, new ones have to use another connection. */
  drain(): void {
    this.#drain.begin();
  }

  // ---- Role ----

  get lastPeerStreamId(): number {
    return this.core.streams.highestId;
  }

  onHead(
    streamId: number,
    _: Stream | undefined,
    list: HeaderList,
    ended: boolean,
    dependsOnItself: boolean,
  ): void {
    const { streams, writer } = this.core;
    if (streamId % 2 === 0) {
      this.core.fail(ErrorCode.PROTOCOL_ERROR, 'a client may not open even streams');
      return;
    }
    if (streamId <= streams.highestId) {
      this.#onLateHead(streamId);
      return;
    }
    streams.highestId = streamId;
    if (streamId > this.#drain.lastAcceptedId) return;
    const refusal = this.#refusalOf(list, ended, dependsOnItself);
    if (refusal !== ErrorCode.NO_ERROR) {
      this.#closed.add(streamId, true);
      writer.rstStream(streamId, refusal);
      return;
    }
    const stream = this.#acceptor.accept(this.core);
    stream.id = streamId;
    stream.state = ended
      ? StreamState.HEADERS_SEEN | StreamState.REMOTE_ENDED
      : StreamState.HEADERS_SEEN;
    stream.contentRemaining = list.contentLength;
    streams.add(stream);
    stream.onHeaders(list, ended);
    if (ended) streams.onRemoteEnd(stream);
  }

  /** Why this head opens no stream, or NO_ERROR. */
  #refusalOf(list: HeaderList, ended: boolean, dependsOnItself: boolean): number {
    if (list.tooLarge) return ErrorCode.ENHANCE_YOUR_CALM;
    if (!list.isRequest || dependsOnItself) return ErrorCode.PROTOCOL_ERROR;
    if (ended && list.contentLength > 0) return ErrorCode.PROTOCOL_ERROR;
    return this.core.openStreams < this.#streamsMax ? ErrorCode.NO_ERROR : ErrorCode.REFUSED_STREAM;
  }

  #onLateHead(streamId: number): void {
    if (this.#closed.wasReset(streamId)) return;
    const code = this.#closed.has(streamId) ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    this.core.fail(code, 'HEADERS on a stream that is closed');
  }

  onDataAfterClose(streamId: number): void {
    if (streamId > this.#drain.lastAcceptedId || this.#closed.wasReset(streamId)) return;
    this.#closed.add(streamId, true);
    this.core.writer.rstStream(streamId, ErrorCode.STREAM_CLOSED);
  }

  onPing(isAck: boolean): void {
    if (isAck) {
      this.#drain.onPingAck();
      return;
    }
    this.#idle.onPing();
    const { clock, openStreams, writer } = this.core;
    if (!this.#pings.allows(clock.nowMs(), openStreams > 0, writer.messageFrames)) {
      this.core.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
    }
  }

  /** The client opens no more streams; those that it has may finish. */
  onGoAway(): void {
    this.#drain.begin();
  }

  onSettings(): void {}

  onStreamClosed(streamId: number, wasReset: boolean): void {
    this.#closed.add(streamId, wasReset);
    this.#drain.closeIfDone();
  }

  onClosed(): void {
    this.#drain.stop();
    this.#idle.stop();
    this.#acceptor.onClosed(this);
  }
}
