/**
 * The layer that finds out whose call it is. Above it a call is anybody's; below it every call has a tenant, and the bytes
 * it carries are that tenant's. Who cannot be identified is refused here, and nothing below hears of it.
 */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../grpc/call.ts';
import type { CurrentDirectory, Directory } from '../tenant/directory.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { DeferredStream, DeferredUnary } from './deferred.ts';

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

  unary(call: Call, request: Message<'client'>, reply: Responses<'client'>): CallHandle {
    const found = this.#resolve(call);
    if (!(found instanceof Promise)) return this.#unary(call, request, reply, found);
    return new DeferredUnary(call, found, (late) =>
      this.#unary(call, request, reply, this.#stillIs(late)),
    );
  }

  stream(call: Call, reply: Responses<'client'>): Requests<'client'> {
    const found = this.#resolve(call);
    if (!(found instanceof Promise)) return this.#stream(call, reply, found);
    return new DeferredStream(call, reply, found, (late) =>
      this.#stream(call, reply, this.#stillIs(late)),
    );
  }

  #unary(
    call: Call,
    request: Message<'client'>,
    reply: Responses<'client'>,
    found: Tenant | RefusalName,
  ): CallHandle {
    if (!this.#hasTenant(call, reply, found)) return endedCall;
    return this.#next.unary(call, asTenantMessage(request), reply as ResponseSink);
  }

  #stream(call: Call, reply: Responses<'client'>, found: Tenant | RefusalName): Requests<'client'> {
    if (!this.#hasTenant(call, reply, found)) return endedCall;
    // The client's bytes are the tenant's from here on, and the tenant's are what the client may see.
    return this.#next.stream(call, reply as ResponseSink) as RequestSink;
  }

  /** Gives the call its tenant, or ends it. */
  #hasTenant(call: Call, reply: Responses<'client'>, found: Tenant | RefusalName): boolean {
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

/** A client's message becomes its tenant's once the tenant is known. */
function asTenantMessage(message: Message<'client'>): Message<'tenant'> {
  return message as Uint8Array as Message<'tenant'>;
}
