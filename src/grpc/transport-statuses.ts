/** The statuses that both transports originate. Texts that grpc-go has are grpc-go's. */
import { Code, type Status, status } from './status.ts';

/** For a fault on the call path. Its details are in the log only. */
export const internalError: Status = status(Code.INTERNAL, 'etcd-bulkhead: internal error');

export const invalidMetadata: Status = status(
  Code.INTERNAL,
  'metadata is not valid in an HTTP/2 header',
);

export const missingResponse: Status = status(
  Code.INTERNAL,
  'cardinality violation: received no response message from non-server-streaming RPC',
  'peer',
);

export const secondResponse: Status = status(
  Code.INTERNAL,
  'cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message',
  'peer',
);

export const closedChannelText = 'the channel was closed';

/** For a call on a channel that is not ready. `reason`: why the channel is not ready. */
export function noConnection(reason: string): Status {
  return status(Code.UNAVAILABLE, `no connection: ${reason}`, 'unsent');
}
