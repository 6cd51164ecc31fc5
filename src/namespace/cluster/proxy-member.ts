/** The proxy as the only member of the cluster that a tenant sees, or as one of several proxies that are registered. */
import type { Call } from '../../call/call.ts';

export interface ProxyMember {
  /** Not empty: clients leave out a member without a name, because it has not started yet. */
  readonly name: string;
  /** A uint64, not zero, and the same for as long as a client may compare it. */
  readonly memberId: bigint;
  /** Where the client of this call reaches the proxy, for example `http://127.0.0.1:2379`. */
  clientUrls(call: Call): readonly string[];
  /** The proxies that are registered together, this one included. Empty without a registration. */
  registered(): readonly RegisteredMember[];
}

export interface RegisteredMember {
  readonly name: string;
  readonly memberId: bigint;
  readonly clientUrls: readonly string[];
}
