/**
 * How a call of grpc-js ended, and who ended it. The library reports its own troubles in the same form as the peer's
 * trailers, so the two are told apart by evidence, in this order:
 *
 * 1. A status with metadata came from the wire: the library's own never carry any, and a peer that answers with trailers
 *    alone sends at least their content type. Origin `peer`.
 * 2. Otherwise a status whose code and text are ones that grpc-js (1.14) makes up itself: `unsent` if no stream was
 *    opened or the peer refused it before looking at it, `proxy` if the deadline we gave passed here, else `lost`. Once
 *    response headers have come, nothing is `unsent` whatever the text says, so a peer cannot have a write sent twice.
 * 3. Everything else is the peer's.
 *
 * `unsent` and `lost` always have the code Unavailable: HTTP/2's reasons, such as a stream reset with CANCEL, would
 * otherwise reach clients as Canceled or Internal, on which some of them send again what may have been done.
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

/** `hasHeaders`: the peer had begun to answer. */
export function fromGrpcStatus(ended: StatusObject, hasHeaders: boolean): Status {
  const trailers = fromGrpcMetadata(ended.metadata);
  if (ended.code === Code.OK && trailers.length === 0 && ended.details === '') return ok;
  const origin = trailers.length > 0 ? 'peer' : localOrigin(ended, hasHeaders);
  if (origin === 'unsent' || origin === 'lost') {
    return status(Code.UNAVAILABLE, ended.details, origin);
  }
  // A peer may have sent anything as `grpc-status`.
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
