/** The status of a gRPC call. A status is a value that layers pass on unchanged or replace. It is never thrown. */
import { type Metadata, noMetadata } from './metadata.ts';

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/**
 * What ended the call. It decides whether the call may be sent again:
 * `peer`   the peer sent this status, which is passed on verbatim;
 * `proxy`  this process originated the status;
 * `unsent` the peer certainly did not process the call (no connection, refused stream), so it may be sent elsewhere;
 * `lost`   the connection broke while the call was in flight, so its outcome is unknown.
 */
export type Origin = 'peer' | 'proxy' | 'unsent' | 'lost';

export interface Status {
  /** One of `Code`, or another number that the peer sent. */
  readonly code: number;
  /** `grpc-message`, decoded. */
  readonly text: string;
  /** Trailing metadata without `grpc-status` and `grpc-message`. */
  readonly trailers: Metadata;
  readonly origin: Origin;
}

export const ok: Status = { code: Code.OK, text: '', trailers: noMetadata, origin: 'peer' };

export function status(
  code: number,
  text: string,
  origin: Origin = 'proxy',
  trailers: Metadata = noMetadata,
): Status {
  return { code, text, trailers, origin };
}
