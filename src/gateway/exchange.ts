/**
 * One HTTP request and its response, over HTTP/1.1 or HTTP/2. The gateway's pages and its JSON API are written against this
 * interface.
 */
import type { Metadata } from '../grpc/metadata.ts';
import type { Peer } from '../grpc/transport.ts';

/** Receives the body of a request. */
export interface BodySink {
  /** The bytes are valid until the sink returns. */
  onBody(bytes: Buffer): void;
  onBodyEnd(): void;
}

export interface HttpExchange {
  readonly method: string;
  /** As the client sent it: a path with a query, or a whole URL. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Metadata;
  readonly peer: Peer;
  readonly hasTls: boolean;
  /** The address that the client has connected to. Empty for a Unix socket. */
  readonly localAddress: string;
  /** Called once, when the exchange is over: the response is complete, the client has disconnected, or it was aborted. */
  onClose: (() => void) | null;
  /** Called when `write` may be called again after it returned false. */
  onDrain: (() => void) | null;
  /** The first value of a header, by its name in lower case. */
  header(name: string): string | undefined;
  readBody(sink: BodySink): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Headers are name, value, … They are sent with the first bytes of the body. */
  head(code: number, headers: readonly string[]): void;
  /** Returns false if the client does not read as fast as this. */
  write(bytes: string): boolean;
  /** The last bytes of the body; none are sent for HEAD. What the client still sends of its request is not read. */
  end(bytes: string): void;
  /** Ends the exchange without a response, or in the middle of one. */
  abort(): void;
}
