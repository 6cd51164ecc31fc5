/**
 * Selects the endpoint of the next call from an immutable list of candidates. The upstream creates a new picker whenever an
 * endpoint has changed. Candidates are connected endpoints of members of the cluster, preferably voters, not ejected, that
 * respond, and that know a leader. A preference that leaves no endpoint is dropped, so the last connected member is always a
 * candidate, with one exception: a learner is not while another endpoint is being dialed for the first time.
 */
import { type ChannelClass, channelClasses, type Endpoint } from './endpoint.ts';

export class Picker {
  readonly #candidates: Readonly<Record<ChannelClass, readonly Endpoint[]>>;
  /** Round-robin position. A new picker continues it, or each change would send the next call to the first endpoint. */
  #turn: number;

  /** `endpoints` are those of members of one cluster. */
  constructor(endpoints: readonly Endpoint[], previous: Picker | null = null) {
    const [unary, watch, lease] = channelClasses.map((each) => candidates(endpoints, each));
    this.#candidates = { unary: unary ?? [], watch: watch ?? [], lease: lease ?? [] };
    this.#turn = previous === null ? 0 : previous.#turn;
  }

  has(endpoint: Endpoint, channelClass: ChannelClass): boolean {
    return this.#candidates[channelClass].includes(endpoint);
  }

  hasAny(channelClass: ChannelClass): boolean {
    return this.#candidates[channelClass].length > 0;
  }

  /** Round-robin. Returns null if there is no candidate. */
  next(channelClass: ChannelClass): Endpoint | null {
    const among = this.#candidates[channelClass];
    this.#turn = (this.#turn + 1) % 0x7fff_ffff;
    return among[this.#turn % among.length] ?? null;
  }

  /** The endpoint with the fewest open streams, round-robin among equals, so that a reconnected member gets its share. */
  leastStreams(channelClass: ChannelClass): Endpoint | null {
    let found = this.next(channelClass);
    for (const endpoint of this.#candidates[channelClass]) {
      if (found !== null && endpoint.openStreams(channelClass) < found.openStreams(channelClass)) {
        found = endpoint;
      }
    }
    return found;
  }
}

function candidates(endpoints: readonly Endpoint[], channelClass: ChannelClass): Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.channels(channelClass).hasRoom);
  const voters = ready.filter(({ health }) => !health.isLearner);
  if (voters.length === 0 && endpoints.some((each) => isVoterExpected(each, channelClass))) {
    return [];
  }
  const inUse = preferred(
    voters.length > 0 ? voters : ready,
    (endpoint) => !endpoint.ejection.isEjected,
  );
  const responsive = preferred(inUse, (endpoint) => endpoint.isResponsive);
  return preferred(responsive, (endpoint) => endpoint.health.hasLeader);
}

/** Whether the endpoint is being dialed and has not failed yet, as all are when the proxy starts. It may be a voter. */
function isVoterExpected(endpoint: Endpoint, channelClass: ChannelClass): boolean {
  const { state, failure } = endpoint.channels(channelClass);
  return !endpoint.health.isLearner && state === 'connecting' && failure === '';
}

function preferred(endpoints: Endpoint[], isBetter: (endpoint: Endpoint) => boolean): Endpoint[] {
  const better = endpoints.filter(isBetter);
  return better.length > 0 ? better : endpoints;
}
