/**
 * The status of an outgoing call and its origin, from the status that grpc-js reports. The library reports its own errors in
 * the same form as the peer's trailers. They are distinguished in this order:
 *
 * 1. A status with metadata came from the peer. The library's own statuses have none, and a response of trailers only has at
 *    least a content type. Origin `peer`.
 * 2. Code and text are those of an error of grpc-js itself (1.14). Origin `unsent` if no stream was opened, or if the peer
 *    refused the stream before processing it; `proxy` if the deadline passed; else `lost`. Once response headers have arrived,
 *    the origin is never `unsent`, whatever the text is, so that a peer cannot cause a write to be sent twice.
 * 3. Every other status came from the peer.
 *
 * `unsent` and `lost` always have the code Unavailable. HTTP/2's error codes are not mapped to gRPC codes: after Canceled or
 * Internal, some client libraries would repeat a call that may have been processed.
 */
import type { StatusObject } from '@grpc/grpc-js';
import { Code, type Origin, ok, type Status, status } from '../status.ts';
import { fromGrpcMetadata } from './metadata.ts';

interface LocalStatus {
  readonly code: number;
  readonly text: RegExp;
  readonly origin: Origin;
}

const localStatuses: readonly LocalStatus[] = [
  { code: Code.UNAVAILABLE, text: /^No connection established/, origin: 'unsent' },
  { code: Code.UNAVAILABLE, text: /^Channel closed before call started$/, origin: 'unsent' },
  { code: Code.UNAVAILABLE, text: /^Name resolution failed for target /, origin: 'unsent' },
  { code: Code.UNAVAILABLE, text: /^Stream refused by server$/, origin: 'unsent' },
  { code: Code.INTERNAL, text: /^Failed to start HTTP\/2 stream with error /, origin: 'unsent' },
  { code: Code.UNAVAILABLE, text: /^Connection dropped$/, origin: 'lost' },
  { code: Code.UNAVAILABLE, text: /^Write (error: |failed with error )/, origin: 'lost' },
  { code: Code.INTERNAL, text: /^Write error: /, origin: 'lost' },
  { code: Code.UNAVAILABLE, text: /^(read|write|connect) E[A-Z]+/, origin: 'lost' },
  { code: Code.CANCELLED, text: /^Call cancelled$/, origin: 'lost' },
  { code: Code.INTERNAL, text: /^Received RST_STREAM with code \d+/, origin: 'lost' },
  { code: Code.RESOURCE_EXHAUSTED, text: /^Bandwidth exhausted or memory limit/, origin: 'lost' },
  { code: Code.PERMISSION_DENIED, text: /^Protocol not secure enough$/, origin: 'lost' },
  { code: Code.DEADLINE_EXCEEDED, text: /^Deadline exceeded( after |$)/, origin: 'proxy' },
];

/** `hasHeaders`: response headers have arrived. */
export function fromGrpcStatus(ended: StatusObject, hasHeaders: boolean): Status {
  const trailers = fromGrpcMetadata(ended.metadata);
  if (ended.code === Code.OK && trailers.length === 0 && ended.details === '') return ok;
  const origin = trailers.length > 0 ? 'peer' : localOrigin(ended, hasHeaders);
  if (origin === 'unsent' || origin === 'lost') {
    return status(Code.UNAVAILABLE, ended.details, origin);
  }
  // The peer may send any value as `grpc-status`.
  const code = Number.isInteger(ended.code) ? ended.code : Code.UNKNOWN;
  return status(code, ended.details, origin, trailers);
}

function localOrigin(ended: StatusObject, hasHeaders: boolean): Origin {
  for (const known of localStatuses) {
    if (known.code === ended.code && known.text.test(ended.details)) {
      return known.origin === 'unsent' && hasHeaders ? 'lost' : known.origin;
    }
  }
  return 'peer';
}
