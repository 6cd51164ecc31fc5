/** What an endpoint is like at a moment: its state in words, its role, and the load that it has. */
import { type ChannelClass, channelClasses, type Endpoint, type Health } from './endpoint.ts';

export type MemberRole = '' | 'leader' | 'follower' | 'learner';

/** The state of one endpoint. /upstreamz, the metrics and the gateway each use a part of it. */
export interface EndpointSnapshot {
  readonly name: string;
  /**
   * `ready`, `other cluster`, `learner`, `ejected by an operator`, `ejected`, `not responding`, `no leader`, or the state of a channel that is not ready:
   * `connecting`, `failed`, `closed`.
   */
  readonly state: string;
  /** Whether an operator has ejected it. */
  readonly isForced: boolean;
  /** Whether the `unary` channel is connected. */
  readonly isUp: boolean;
  /** The text of the system or of etcd for the current failure; empty without a failure. */
  readonly lastError: string;
  /** The member's version; empty before the first successful probe. */
  readonly version: string;
  /** `leader`, `follower` or `learner`; empty before the first successful probe. */
  readonly role: MemberRole;
  /** Size of the member's database; 0 before the first successful probe. */
  readonly dbBytes: number;
  /** The load that the picker balances. */
  readonly openStreams: Readonly<Record<ChannelClass, number>>;
  /** More than one per class while the endpoint limits the streams of a connection. */
  readonly connections: Readonly<Record<ChannelClass, number>>;
}

/** `isMember`: the endpoint belongs to the cluster that the proxy serves. */
export function endpointSnapshot(endpoint: Endpoint, isMember: boolean): EndpointSnapshot {
  const failing = channelClasses.find((each) => endpoint.isBroken(each));
  const channel = endpoint.channels(failing ?? 'unary');
  const { health } = endpoint;
  return {
    name: endpoint.name,
    state: failing === undefined ? stateOf(endpoint, isMember) : channel.state,
    isForced: endpoint.isForcedOut,
    isUp: endpoint.isReady('unary'),
    lastError: channel.failure === '' ? health.failure : channel.failure,
    version: health.version,
    role: roleOf(health),
    dbBytes: health.dbBytes,
    openStreams: {
      unary: endpoint.openStreams('unary'),
      watch: endpoint.openStreams('watch'),
      lease: endpoint.openStreams('lease'),
    },
    connections: {
      unary: endpoint.channels('unary').connections,
      watch: endpoint.channels('watch').connections,
      lease: endpoint.channels('lease').connections,
    },
  };
}

function roleOf({ version, isLearner, isLeader }: Health): MemberRole {
  if (version === '') return '';
  if (isLearner) return 'learner';
  return isLeader ? 'leader' : 'follower';
}

/** Of an endpoint whose channels are ready: the first reason to prefer others. */
function stateOf(endpoint: Endpoint, isMember: boolean): string {
  const { health, ejection, isResponsive } = endpoint;
  if (!isMember) return 'other cluster';
  if (health.isLearner) return 'learner';
  if (endpoint.isForcedOut) return 'ejected by an operator';
  if (ejection.isEjected) return 'ejected';
  if (!isResponsive) return 'not responding';
  return health.hasLeader ? 'ready' : 'no leader';
}
