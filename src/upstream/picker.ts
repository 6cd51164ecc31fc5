/**
 * Selects the endpoint of the next call from immutable lists of candidates. The upstream creates a new picker whenever an
 * endpoint has changed. Candidates are connected endpoints of members of the cluster, preferably voters, not ejected, that
 * respond, and that know a leader. A preference that leaves no endpoint is dropped, so the last connected member is always a
 * candidate, with one exception: a learner is not while another endpoint is being dialed for the first time.
 *
 * Watch and lease connections are dialed when they are needed. An endpoint with a working `unary` connection and without a
 * connection of the class is as good as a connected one for the preferences, and is then not a candidate but dialable. So a
 * connected member that hangs does not keep the streams because others are not connected yet.
 */
import { type ChannelClass, channelClasses, type Endpoint } from './endpoint.ts';

/** The endpoints that calls of a channel class prefer, by the state of their connection of that class. */
interface Choice {
  readonly connected: readonly Endpoint[];
  readonly dialable: readonly Endpoint[];
  /** Whether one of them is being dialed. */
  readonly isDialing: boolean;
}

const noChoice: Choice = { connected: [], dialable: [], isDialing: false };

export class Picker {
  readonly #choices: Readonly<Record<ChannelClass, Choice>>;
  /** Round-robin position. A new picker continues it, or each change would send the next call to the first endpoint. */
  #turn: number;

  /** `endpoints` are those of members of one cluster. */
  constructor(endpoints: readonly Endpoint[], previous: Picker | null = null) {
    const [unary = noChoice, watch = noChoice, lease = noChoice] = channelClasses.map((each) =>
      choiceOf(endpoints, each),
    );
    this.#choices = { unary, watch, lease };
    this.#turn = previous === null ? 0 : previous.#turn;
  }

  has(endpoint: Endpoint, channelClass: ChannelClass): boolean {
    return this.#choices[channelClass].connected.includes(endpoint);
  }

  hasAny(channelClass: ChannelClass): boolean {
    return this.#choices[channelClass].connected.length > 0;
  }

  /** Whether an endpoint works, and its connection of the class is expected soon. */
  isDialing(channelClass: ChannelClass): boolean {
    return this.#choices[channelClass].isDialing;
  }

  /** Endpoints of which one should be dialed if the connected ones do not suffice. Empty while one is being dialed. */
  dialable(channelClass: ChannelClass): readonly Endpoint[] {
    const { dialable, isDialing } = this.#choices[channelClass];
    return isDialing ? [] : dialable;
  }

  /** All endpoints that calls of the class prefer, connected for the class or not. */
  preferred(channelClass: ChannelClass): readonly Endpoint[] {
    const { connected, dialable } = this.#choices[channelClass];
    return [...connected, ...dialable];
  }

  /** Round-robin. Returns null without a candidate. */
  next(channelClass: ChannelClass): Endpoint | null {
    const among = this.#choices[channelClass].connected;
    this.#turn = (this.#turn + 1) % 0x7fff_ffff;
    return among[this.#turn % among.length] ?? null;
  }

  /** The endpoint with the fewest open streams, round-robin among equals, so that a reconnected member gets its share. */
  leastStreams(channelClass: ChannelClass): Endpoint | null {
    let found = this.next(channelClass);
    for (const endpoint of this.#choices[channelClass].connected) {
      if (found !== null && endpoint.openStreams(channelClass) < found.openStreams(channelClass)) {
        found = endpoint;
      }
    }
    return found;
  }
}

function choiceOf(endpoints: readonly Endpoint[], channelClass: ChannelClass): Choice {
  const usable = endpoints.filter((endpoint) => isUsable(endpoint, channelClass));
  const voters = usable.filter(({ health }) => !health.isLearner);
  if (voters.length === 0 && endpoints.some((each) => isVoterExpected(each, channelClass))) {
    return noChoice;
  }
  const inUse = preferred(voters.length > 0 ? voters : usable, (endpoint) => !endpoint.isEjected);
  const responsive = preferred(inUse, (endpoint) => endpoint.isResponsive);
  const best = preferred(responsive, (endpoint) => endpoint.health.hasLeader);
  const group = (endpoint: Endpoint) => endpoint.channels(channelClass);
  return {
    connected: best.filter((endpoint) => group(endpoint).hasRoom),
    dialable: best.filter((endpoint) => group(endpoint).state === 'idle'),
    isDialing: channelClass !== 'unary' && best.some((endpoint) => group(endpoint).isDialing),
  };
}

/** Whether a call can be sent, or could be as soon as a connection is dialed. */
function isUsable(endpoint: Endpoint, channelClass: ChannelClass): boolean {
  const group = endpoint.channels(channelClass);
  if (group.hasRoom) return true;
  if (channelClass === 'unary' || !endpoint.isReady('unary')) return false;
  return group.state === 'idle' || group.isDialing;
}

/** Whether the endpoint is being dialed and has not failed yet, as all are when the proxy starts. It may be a voter. */
function isVoterExpected(endpoint: Endpoint, channelClass: ChannelClass): boolean {
  if (endpoint.health.isLearner) return false;
  return endpoint.channels(channelClass).isExpected || endpoint.channels('unary').isExpected;
}

function preferred(endpoints: Endpoint[], isBetter: (endpoint: Endpoint) => boolean): Endpoint[] {
  const better = endpoints.filter(isBetter);
  return better.length > 0 ? better : endpoints;
}
