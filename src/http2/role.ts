/**
 * What differs between the two ends of a connection. A client opens streams and a server accepts them; everything else
 * about frames, flow control and the socket is the same and lives in connection.ts and its parts.
 */
import type { HeaderList } from './hpack/header-list.ts';
import type { Stream } from './stream.ts';

/** The differences that are data. */
export interface RoleTraits {
  /** Headers that the peer may send in one block. */
  readonly headersBytesMax: number;
  /** Initial window that the peer gets on every stream. */
  readonly streamWindowBytes: number;
  /** The buffer passed to `receive` is reused afterwards, so streams must not keep views of it. */
  readonly readsAreBorrowed: boolean;
  /** Stop reading while the peer does not read what was sent. A client must not: see client-connection.ts. */
  readonly pausesAtBacklog: boolean;
  /** Share each turn of the event loop with other connections: see read-turns.ts. */
  readonly takesTurns: boolean;
  /** Reset a stream that was ended locally while the peer still sends on it. */
  readonly resetsAfterLocalEnd: boolean;
}

/** The differences that are behaviour. The connection calls these methods; each runs to completion before the next. */
export interface Role {
  readonly traits: RoleTraits;
  /** Highest ID of a stream that the peer opened. Sent in GOAWAY. */
  readonly lastPeerStreamId: number;
  /** The first header block of a stream. `stream` is undefined if the ID is not in the table. */
  onHead(
    streamId: number,
    stream: Stream | undefined,
    list: HeaderList,
    ended: boolean,
    dependsOnItself: boolean,
  ): void;
  /** DATA for a stream that is not open any more. Its bytes are already counted against the connection's window. */
  onDataAfterClose(streamId: number): void;
  /** A PING, already acknowledged, or the acknowledgement of one. */
  onPing(isAck: boolean): void;
  onGoAway(lastStreamId: number, code: number, text: string): void;
  /** The peer's SETTINGS were applied. */
  onSettings(isFirst: boolean): void;
  /** A stream left the table. `wasReset`: by a RST_STREAM that was sent, not received. */
  onStreamClosed(streamId: number, wasReset: boolean): void;
  /** The connection ended, and every stream was notified. */
  onClosed(): void;
}
