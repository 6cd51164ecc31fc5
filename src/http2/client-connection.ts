/**
 * A connection that we opened to a server. We open streams, within the server's concurrency limit; those over it wait,
 * bounded, for others to end. It always reads, whatever the server does not: a server may itself wait to be read
 * before it reads on, and two that wait for each other wait for ever.
 */
import type { RoleOptions } from './connection.ts';
import { clientPreface, ErrorCode, maxInt31 } from './frame.ts';
import type { HeaderTemplate } from './hpack/encoder.ts';
import type { HeaderList } from './hpack/header-list.ts';
import { Inbound } from './inbound.ts';
import { limits } from './limits.ts';
import { SettingId, settingsFrame } from './settings.ts';
import { type Stream, StreamState } from './stream.ts';

export interface ClientConnectionOwner {
  /** The server's SETTINGS are there: it speaks HTTP/2. */
  onReady(connection: ClientConnection): void;
  /** The connection takes no new streams; open ones go on. */
  onGoingAway(connection: ClientConnection, code: number, text: string): void;
  onClosed(connection: ClientConnection): void;
}

export interface ClientConnectionOptions extends RoleOptions {
  readonly owner: ClientConnectionOwner;
}

/** A stream that waits for room. */
class Waiting {
  readonly stream: Stream;
  readonly template: HeaderTemplate;
  readonly tail: Uint8Array | null;
  readonly ended: boolean;

  constructor(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean) {
    this.stream = stream;
    this.template = template;
    this.tail = tail;
    this.ended = ended;
  }
}

export class ClientConnection extends Inbound {
  protected readonly stopsAtBacklog = false;
  readonly #owner: ClientConnectionOwner;
  #nextStreamId = 1;
  #isGoingAway = false;
  #waiting: Waiting[] = [];
  #waitingNext = 0;

  constructor(options: ClientConnectionOptions) {
    super({
      ...options,
      streamWindowBytes: limits.clientStreamWindowBytes,
      readsAreBorrowed: true,
    });
    this.#owner = options.owner;
    this.output.append(clientPreface);
    this.output.append(
      settingsFrame([
        [SettingId.ENABLE_PUSH, 0],
        [SettingId.INITIAL_WINDOW_SIZE, limits.clientStreamWindowBytes],
        [SettingId.MAX_HEADER_LIST_SIZE, limits.headerListBytesMax],
      ]),
    );
    this.writeWindowUpdate(0, limits.connectionWindowBytes - 65_535);
  }

  /** Whether `open` may be called. */
  get takesStreams(): boolean {
    return (
      this.isOpen &&
      !this.#isGoingAway &&
      this.hasPeerSettings &&
      this.#waiting.length - this.#waitingNext < limits.waitingStreamsMax
    );
  }

  /** Opens a stream, now or when the server has room. */
  open(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean): void {
    if (this.streams.size < this.peer.streamsMax) this.#start(stream, template, tail, ended);
    else this.#waiting.push(new Waiting(stream, template, tail, ended));
  }

  #start(stream: Stream, template: HeaderTemplate, tail: Uint8Array | null, ended: boolean): void {
    stream.id = this.#nextStreamId;
    this.#nextStreamId += 2;
    this.streams.add(stream);
    this.keepAlive.begin();
    this.writeHeaders(stream, template, tail, ended);
    if (stream.queue !== null) this.sender.line(stream);
    if (this.#nextStreamId > maxInt31) this.#goAway(ErrorCode.NO_ERROR, 'out of stream IDs');
  }

  protected override onRoom(): void {
    while (this.#waitingNext < this.#waiting.length && this.streams.size < this.peer.streamsMax) {
      if (!this.isOpen || this.#isGoingAway) return;
      const next = this.#waiting[this.#waitingNext++];
      if (next !== undefined && !next.stream.isClosed) {
        this.#start(next.stream, next.template, next.tail, next.ended);
      }
    }
    if (this.#waitingNext * 2 <= this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#waitingNext);
    this.#waitingNext = 0;
  }

  protected override onHeaderList(streamId: number, list: HeaderList, ended: boolean): void {
    if (this.isIdle(streamId)) {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on a stream that is not open');
      return;
    }
    const stream = this.streams.get(streamId);
    // Answers for streams that we have reset may be under way for as long as a round trip takes.
    if (stream === undefined) return;
    if (stream.hasRemoteEnded) {
      this.failStream(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (list.tooLarge) {
      this.failStream(stream, ErrorCode.ENHANCE_YOUR_CALM);
      return;
    }
    if ((stream.state & StreamState.HEADERS_SEEN) === 0) this.#onResponse(stream, list, ended);
    else this.#onTrailers(stream, list, ended);
  }

  #onResponse(stream: Stream, list: HeaderList, ended: boolean): void {
    const isInformational = list.status < 200;
    const isMalformed = !list.isResponse || (ended && (isInformational || list.contentLength > 0));
    if (isMalformed) {
      this.failStream(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (isInformational) return;
    stream.state |= ended
      ? StreamState.HEADERS_SEEN | StreamState.REMOTE_ENDED
      : StreamState.HEADERS_SEEN;
    stream.contentRemaining = list.contentLength;
    stream.onHeaders(list, ended);
    if (ended) this.forgetWhenDone(stream);
  }

  #onTrailers(stream: Stream, list: HeaderList, ended: boolean): void {
    if (!ended || list.hasPseudo || list.malformed || stream.contentRemaining > 0) {
      this.failStream(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.state |= StreamState.REMOTE_ENDED;
    stream.onTrailers(list);
    this.forgetWhenDone(stream);
  }

  protected override onStrayData(): void {}

  protected override isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextStreamId;
  }

  protected override onPing(): void {}

  /** RFC 9113, section 6.8: streams above the last one were not and will not be acted on. */
  protected override onGoAway(lastStreamId: number, code: number, text: string): void {
    for (const stream of this.streams.values()) {
      if (stream.id > lastStreamId) this.#lose(stream, text);
    }
    this.#goAway(code, text);
  }

  #goAway(code: number, text: string): void {
    if (!this.#isGoingAway) {
      this.#isGoingAway = true;
      this.#owner.onGoingAway(this, code, text);
    }
    this.#loseWaiting('the connection is going away');
    this.#closeWhenDone();
  }

  #lose(stream: Stream, reason: string): void {
    this.streams.delete(stream.id);
    stream.state |= StreamState.CLOSED;
    stream.queue = null;
    this.releaseStopped(stream);
    stream.onLost(reason, true);
  }

  #loseWaiting(reason: string): void {
    const waiting = this.#waiting.slice(this.#waitingNext);
    this.#waiting = [];
    this.#waitingNext = 0;
    for (const { stream } of waiting) {
      if (!stream.isClosed) this.#lose(stream, reason);
    }
  }

  #closeWhenDone(): void {
    if (this.#isGoingAway && this.isOpen && this.openStreams === 0) this.close('going away');
  }

  protected override onFirstSettings(): void {
    this.#owner.onReady(this);
  }

  protected override onForgotten(): void {
    this.onRoom();
    this.#closeWhenDone();
  }

  protected override onClosed(): void {
    this.#loseWaiting(this.failure);
    this.#owner.onClosed(this);
  }
}
