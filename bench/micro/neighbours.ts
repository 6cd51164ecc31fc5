/** Neighbours of a layer that do nothing, so that a benchmark measures the layer alone. */
import type { Etcd, Responses } from '../../src/call/call.ts';
import { endedCall } from '../../src/grpc/call.ts';
import { ok } from '../../src/grpc/status.ts';

/** Ends each call at once. */
export const below: Etcd<'tenant'> = {
  unary: (_call, _request, responses) => {
    responses.end(ok);
    return endedCall;
  },
  stream: () => endedCall,
};

export const above: Responses<'tenant'> = {
  deliver: () => {},
  deliverShared: () => {},
  end: () => {},
  pauseRequests: () => {},
  resumeRequests: () => {},
};
