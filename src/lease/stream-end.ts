/** What the end of an upstream keepalive stream means for the renewals on it. Pure. */
import { classifyForKeepAlive } from '../etcd/outcomes.ts';
import { Code, type Status } from '../grpc/status.ts';

/**
 * `renewal`   etcd rejected the oldest renewal; its clients get the status. All others on the stream are sent again.
 * `no-leader` the member has no leader. It ends streams that require one, and streams with a renewal that has waited for one.
 * `lost`      says nothing about a lease; everything on the stream is sent again.
 */
export type StreamEnd = 'renewal' | 'no-leader' | 'lost';

const transientCodes: ReadonlySet<number> = new Set([
  Code.OK,
  Code.CANCELLED,
  Code.DEADLINE_EXCEEDED,
  Code.UNAVAILABLE,
]);

export function classifyStreamEnd(status: Status): StreamEnd {
  if (status.origin !== 'peer') return 'lost';
  switch (classifyForKeepAlive(status)) {
    case 'no-leader':
      return 'no-leader';
    case 'member':
      return 'lost';
    case null:
      return transientCodes.has(status.code) ? 'lost' : 'renewal';
  }
}
