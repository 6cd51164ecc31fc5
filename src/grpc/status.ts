/** How a gRPC call ends. A status is a value: it is passed on unchanged, or replaced, never thrown. */
import { type Metadata, noMetadata } from './metadata.ts';

/** The codes of gRPC, https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
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
 * Who ended the call, which decides whether it may be sent again:
 * `peer`   the other side answered with trailers: its word, passed on verbatim;
 * `proxy`  this process refused it;
 * `unsent` it provably never reached the other side (no connection, refused stream): safe to send elsewhere;
 * `lost`   the connection broke while it was under way: what became of it is unknown.
 */
export type Origin = 'peer' | 'proxy' | 'unsent' | 'lost';

export interface Status {
  /** One of `Code`; a peer may send a number we do not know, and it is passed on as it is. */
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
