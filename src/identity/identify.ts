/**
 * The layer that finds out whose call it is. Above it a call is anybody's; below it every call has a tenant, and the bytes
 * it carries are that tenant's. Who cannot be identified is refused here, and nothing below hears of it.
 */
import type { Call, Etcd, Layer, Reply, Requests } from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import type { Tenant } from '../tenant/tenant.ts';
import {
  type Reply as BytesReply,
  type Requests as BytesRequests,
  type Ongoing,
  settled,
} from '../grpc/call.ts';
import { DeferredStream, DeferredUnary } from './deferred.ts';
import type { CurrentDirectory, Directory } from '../tenant/directory.ts';

/**
 * One way to tell who calls: a tenant, the name of a refusal where an identity was shown and is bad, or null where this way
 * has nothing to say and the next one is asked. A promise, which never rejects, at most for the first use of a credential.
 */
export type Resolver = (
  call: Call,
  directory: Directory,
) => Tenant | RefusalName | null | Promise<Tenant | RefusalName>;

/** Whoever reaches a listener is the tenant that the listener is for. Asked last: it knows which listeners there are. */
export const byListener: Resolver = (call, directory) => {
  const listener = directory.listener(call.peer.listener);
  // About to be closed, or just bound: in a moment the client finds something else there.
  return listener === null ? 'tenant-changed' : listener.tenant;
};

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
    const found = this.#resolve(call);
    if (!(found instanceof Promise)) return this.#unary(call, request, reply, found);
    return new DeferredUnary(call, found, (late) =>
      this.#unary(call, request, reply, this.#stillIs(late)),
    );
  }

  stream(call: Call, reply: Reply<'client'>): Requests<'client'> {
    const found = this.#resolve(call);
    if (!(found instanceof Promise)) return this.#stream(call, reply, found);
    return new DeferredStream(call, reply, found, (late) =>
      this.#stream(call, reply, this.#stillIs(late)),
    );
  }

  #unary(
    call: Call,
    request: Uint8Array,
    reply: Reply<'client'>,
    found: Tenant | RefusalName,
  ): Ongoing {
    if (!this.#hasTenant(call, reply, found)) return settled;
    return this.#next.unary(call, request, reply as BytesReply);
  }

  #stream(call: Call, reply: Reply<'client'>, found: Tenant | RefusalName): Requests<'client'> {
    if (!this.#hasTenant(call, reply, found)) return settled;
    // The client's bytes are the tenant's from here on, and the tenant's are what the client may see.
    const below: BytesRequests = this.#next.stream(call, reply as BytesReply);
    return below;
  }

  /** Gives the call its tenant, or ends it. */
  #hasTenant(call: Call, reply: Reply<'client'>, found: Tenant | RefusalName): boolean {
    if (typeof found !== 'string') {
      call.tenant = found;
      return true;
    }
    this.#options.onUnidentified?.(call, found);
    reply.end(refusal(found));
    return false;
  }

  /** A reload may have come between the question and its answer. */
  #stillIs(found: Tenant | RefusalName): Tenant | RefusalName {
    if (typeof found === 'string' || this.#options.directory.current.has(found)) return found;
    return 'tenant-changed';
  }

  #resolve(call: Call): Tenant | RefusalName | Promise<Tenant | RefusalName> {
    const directory = this.#options.directory.current;
    for (const resolver of this.#options.resolvers) {
      const found = resolver(call, directory);
      if (found !== null) return found;
    }
    return 'tenant-unknown';
  }
}
