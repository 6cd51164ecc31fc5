/**
 * The client's end of a connection. It opens streams within the server's limit of concurrent streams; those over it wait,
 * bounded, for others to end. It never stops reading, even if the server does not read: a server may refuse to read before
 * its responses are read, and two peers that wait for each other are a deadlock.
 */
import { Connection, type ConnectionOptions } from './connection.ts';
import { clientPreface, ErrorCode, maxInt31 } from './frame.ts';
import type { HeaderTemplate } from './hpack/encoder.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { limits } from './limits.ts';
import type { Role, RoleTraits } from './role.ts';
import { SettingId, settingsFrame } from './settings.ts';
import { type Stream, StreamState } from './stream.ts';
import { WaitingStream, WaitingStreams } from './waiting-streams.ts';

const traits: RoleTraits = {
  headersBytesMax: limits.responseHeadersBytesMax,
  streamWindowBytes: limits.clientStreamWindowBytes,
  readsAreBorrowed: true,
  pausesAtBacklog: false,
  takesTurns: false,
  resetsAfterLocalEnd: false,
};

export interface ClientConnectionOwner {
  /** The server's first SETTINGS arrived: it speaks HTTP/2. */
  onReady(connection: ClientConnection): void;
  /** `hasRoom` has changed. */
  onRoom(connection: ClientConnection): void;
  /** No new streams can be opened. Open ones continue. */
  onGoingAway(connection: ClientConnection, code: number, text: string): void;
  onClosed(connection: ClientConnection): void;
}

export interface ClientConnectionOptions extends ConnectionOptions {
  readonly owner: ClientConnectionOwner;
}

export class ClientConnection implements Role {
  /** What both roles share. Streams are constructed with it. */
  readonly core: Connection;
  readonly traits = traits;
  /** Servers open no streams, because push is disabled. */
  readonly lastPeerStreamId = 0;
  /** Whether the server has responded to a request. */
  hasResponded = false;
  readonly #owner: ClientConnectionOwner;
  readonly #waiting = new WaitingStreams();
  #isGoingAway = false;
  /** `hasRoom` when the owner was last notified of it. */
  #hadRoom = false;

  constructor(options: ClientConnectionOptions) {
    this.#owner = options.owner;
    this.core = new Connection(options, this);
    const { output, writer } = this.core;
    output.append(clientPreface);
    output.append(
      settingsFrame([
        [SettingId.ENABLE_PUSH, 0],
        [SettingId.INITIAL_WINDOW_SIZE, limits.clientStreamWindowBytes],
        [SettingId.MAX_HEADER_LIST_SIZE, traits.headersBytesMax],
      ]),
    );
    writer.windowUpdate(0, limits.connectionWindowBytes - 65_535);
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

  /** Whether `open` may be called. */
  get canOpen(): boolean {
    return (
      this.core.isOpen &&
      !this.#isGoingAway &&
      this.core.peer.isReceived &&
      this.#waiting.size < limits.waitingStreamsMax
    );
  }

  receive(chunk: Buffer): void {
    this.core.receive(chunk);
  }

  close(reason: string): void {
    this.core.close(reason);
  }

  /** Opens a stream, now or when the server's limit permits. `tail` holds literals to send after the template's block. */
  open(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean): void {
    if (this.#isBelowLimit) this.#start(stream, template, tail, ended);
    else this.#waiting.push(new WaitingStream(stream, template, tail, ended));
    this.#noteRoom();
  }

  /** Whether a stream would be opened at once. */
  get hasRoom(): boolean {
    return this.canOpen && this.#waiting.size === 0 && this.#isBelowLimit;
  }

  get #isBelowLimit(): boolean {
    return this.core.streams.size < this.core.peer.streamsMax;
  }

  #noteRoom(): void {
    const { hasRoom } = this;
    if (hasRoom === this.#hadRoom || !this.core.isOpen) return;
    this.#hadRoom = hasRoom;
    this.#owner.onRoom(this);
  }

  #start(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean): void {
    const { streams, writer, sender, keepAlive } = this.core;
    stream.id = streams.highestId === 0 ? 1 : streams.highestId + 2;
    streams.highestId = stream.id;
    streams.add(stream);
    keepAlive.begin();
    if (tail === null) writer.headers(stream.id, template, ended);
    else writer.headersWithTail(stream.id, template, tail, ended);
    if (ended) streams.endLocal(stream);
    if (stream.queue !== null) sender.enqueue(stream);
    if (stream.id + 2 > maxInt31) this.onGoAway(maxInt31, ErrorCode.NO_ERROR, 'out of stream IDs');
  }

  #startWaiting(): void {
    while (this.#isBelowLimit && this.core.isOpen && !this.#isGoingAway) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (!next.stream.isClosed) this.#start(next.stream, next.template, next.tail, next.ended);
    }
  }

  // ---- Role ----

  onHead(streamId: number, stream: Stream | undefined, list: HeaderList, ended: boolean): void {
    const { streams } = this.core;
    if (streams.isIdle(streamId)) {
      this.core.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on a stream that is not open');
      return;
    }
    // Responses on streams that were reset may be in flight for as long as a round trip takes.
    if (stream === undefined) return;
    if (list.tooLarge) {
      streams.fail(stream, ErrorCode.ENHANCE_YOUR_CALM);
      return;
    }
    const isInformational = list.status < 200;
    const isMalformed = !list.isResponse || (ended && (isInformational || list.contentLength > 0));
    if (isMalformed) {
      streams.fail(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (isInformational) return;
    this.hasResponded = true;
    stream.state |= ended
      ? StreamState.HEADERS_SEEN | StreamState.REMOTE_ENDED
      : StreamState.HEADERS_SEEN;
    stream.contentRemaining = list.contentLength;
    stream.onHeaders(list, ended);
    if (ended) streams.onRemoteEnd(stream);
  }

  onDataAfterClose(): void {}

  onPing(): void {}

  /**
   * RFC 9113, section 6.8: the server did not and will not process streams above the last one. The end of a stream may open
   * the next one at once, so the owner is notified first, and this connection accepts none from then on.
   */
  onGoAway(lastStreamId: number, code: number, text: string): void {
    if (!this.#isGoingAway) {
      this.#isGoingAway = true;
      this.#owner.onGoingAway(this, code, text);
    }
    const { streams } = this.core;
    for (const stream of streams.values()) {
      if (stream.id > lastStreamId && !stream.isClosed) streams.abortUnsent(stream, text);
    }
    this.#abortWaiting('the connection is going away');
    this.#closeIfDone();
  }

  #abortWaiting(reason: string): void {
    for (const { stream } of this.#waiting.take()) {
      if (!stream.isClosed) this.core.streams.abortUnsent(stream, reason);
    }
  }

  #closeIfDone(): void {
    if (this.#isGoingAway && this.core.isOpen && this.core.openStreams === 0) {
      this.core.close('going away');
    }
  }

  onSettings(isFirst: boolean): void {
    if (isFirst) {
      this.#hadRoom = this.hasRoom;
      this.#owner.onReady(this);
    }
    this.#startWaiting();
    this.#noteRoom();
  }

  onStreamClosed(): void {
    this.#startWaiting();
    this.#closeIfDone();
    this.#noteRoom();
  }

  onClosed(): void {
    this.#abortWaiting(this.core.failure);
    this.#owner.onClosed(this);
  }
}
