/**
 * Which endpoint the next call goes to: a snapshot of who can take calls, replaced whole whenever that changes. Among
 * those that are connected it prefers members that do not keep failing, and among these ones that know a leader; where
 * nobody is left by a preference it is dropped, so the last endpoint is never passed over.
 */
import { type ChannelClass, channelClasses, type Endpoint } from './endpoint.ts';

export class Picker {
  readonly #candidates: Readonly<Record<ChannelClass, readonly Endpoint[]>>;
  /** Where the next round begins. Carried over, or every change would send the next call to the first endpoint. */
  #turn: number;

  constructor(endpoints: readonly Endpoint[], previous: Picker | null = null) {
    const [unary, watch, lease] = channelClasses.map((each) => candidates(endpoints, each));
    this.#candidates = { unary: unary ?? [], watch: watch ?? [], lease: lease ?? [] };
    this.#turn = previous === null ? 0 : previous.#turn;
  }

  hasAny(channelClass: ChannelClass): boolean {
    return this.#candidates[channelClass].length > 0;
  }

  /** In turn. Null when none can take calls. */
  next(channelClass: ChannelClass): Endpoint | null {
    const among = this.#candidates[channelClass];
    this.#turn = (this.#turn + 1) % 0x7fff_ffff;
    return among[this.#turn % among.length] ?? null;
  }

  /** The one with the fewest open streams, in turn among equals: a member that comes back gets its share again. */
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
  const ready = endpoints.filter((endpoint) => endpoint.isReady(channelClass));
  const sound = preferred(ready, (endpoint) => !endpoint.accrual.isOut);
  return preferred(sound, (endpoint) => endpoint.health.hasLeader);
}

function preferred(endpoints: Endpoint[], isBetter: (endpoint: Endpoint) => boolean): Endpoint[] {
  const better = endpoints.filter(isBetter);
  return better.length > 0 ? better : endpoints;
}
