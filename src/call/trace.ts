/** The trace that a call belongs to, as layers use it. Null on a call unless tracing is on; observe/tracing/ implements it. */
import type { Method } from '../etcd/methods.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Status } from '../grpc/status.ts';

export interface CallTrace {
  /** An attempt at an endpoint begins, of the call or of one that the proxy makes for it. */
  attempt(method: Method, endpoint: string): AttemptTrace;
}

export interface AttemptTrace {
  /** What etcd receives, so that it continues the trace. */
  readonly metadata: Metadata;
  /** The attempt has ended. Only the first call has an effect. */
  end(status: Status): void;
}
