/**
 * HTTP/2 requests that are not gRPC. Go's server passes them to etcd's HTTP handlers on connections with TLS; without TLS,
 * gRPC rejects them.
 */
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import type { Stream } from '../../http2/stream.ts';
import type { Peer } from '../transport.ts';

/** What the stream of such a request reports. Nothing follows `onClosed`. */
export interface PlainRequest {
  /** The bytes are valid until the method returns. */
  onData(bytes: Buffer): void;
  onRequestEnd(): void;
  /** The client has reset the stream, or its connection has ended. */
  onClosed(): void;
  /** As `Stream.onDrained`. */
  onDrained(): void;
}

/** Counted as HPACK does, plus 32 per field. Over it the request is rejected with 431. As for requests over HTTP/1.1. */
export const plainHeadBytesMax = 16_384;

/** Called with the head of such a request. The result responds on `stream`. */
export type PlainRequestHandler = (stream: Stream, head: HeaderList, peer: Peer) => PlainRequest;
