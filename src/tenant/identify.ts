/**
 * The layer that finds out whose call it is. Above it a call is anybody's; below it every call has a tenant, and the bytes
 * it carries are that tenant's. Who cannot be identified is refused here, and nothing below hears of it.
 */
import type { Call, Etcd, Layer, Reply, Requests } from '../etcd/api.ts';
import { type RefusalName, refusal } from '../etcd/errors.ts';
import type { Tenant } from '../etcd/tenant.ts';
import {
  type Reply as BytesReply,
  type Requests as BytesRequests,
  type Ongoing,
  settled,
} from '../grpc/call.ts';
import type { CurrentDirectory, Directory } from './directory.ts';

/**
 * One way to tell who calls: a tenant, the name of a refusal where an identity was shown and is bad, or null where this way
 * has nothing to say and the next one is asked.
 */
export type Resolver = (call: Call, directory: Directory) => Tenant | RefusalName | null;

/** Whoever reaches a listener is the tenant that the listener is for. */
export const byListener: Resolver = (call, directory) => directory.byListener(call.peer.listener);

/** Hears of every call that got no tenant, for the log and a counter: no layer below sees it. */
export type OnUnidentified = (call: Call, why: RefusalName) => void;

export interface IdentifyOptions {
  readonly directory: CurrentDirectory;
  /** The first one that has something to say decides. */
  readonly resolvers: readonly Resolver[];
  readonly onUnidentified: OnUnidentified | null;
}

export function identify(options: IdentifyOptions): Layer<'client', 'tenant'> {
  return (next) => new Identify(options, next);
}

class Identify implements Etcd<'client'> {
  readonly #options: IdentifyOptions;
  readonly #next: Etcd<'tenant'>;

  constructor(options: IdentifyOptions, next: Etcd<'tenant'>) {
    this.#options = options;
    this.#next = next;
  }

  unary(call: Call, request: Uint8Array, reply: Reply<'client'>): Ongoing {
    if (!this.#hasTenant(call, reply)) return settled;
    return this.#next.unary(call, request, reply as BytesReply);
  }

  stream(call: Call, reply: Reply<'client'>): Requests<'client'> {
    if (!this.#hasTenant(call, reply)) return settled;
    // The client's bytes are the tenant's from here on, and the tenant's are what the client may see.
    const below: BytesRequests = this.#next.stream(call, reply as BytesReply);
    return below;
  }

  /** Gives the call its tenant, or ends it. */
  #hasTenant(call: Call, reply: Reply<'client'>): boolean {
    const found = this.#resolve(call);
    if (typeof found !== 'string') {
      call.tenant = found;
      return true;
    }
    this.#options.onUnidentified?.(call, found);
    reply.end(refusal(found));
    return false;
  }

  #resolve(call: Call): Tenant | RefusalName {
    const directory = this.#options.directory.current;
    for (const resolver of this.#options.resolvers) {
      const found = resolver(call, directory);
      if (found !== null) return found;
    }
    return 'tenant-unknown';
  }
}
