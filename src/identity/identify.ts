/**
 * The layer that determines the tenant of a call. Below it every call has a tenant, and its messages are in that tenant's
 * space. A call without a valid identity is rejected here. The first call of a tenant also counts its connection for the
 * tenant, and is rejected if the tenant has too many.
 */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../grpc/call.ts';
import type { CurrentDirectory, Directory } from '../tenant/directory.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { DeferredCall } from './deferred.ts';

/** The tenant of a call, or the reason to reject it. */
export type Identification = Tenant | RefusalName;

/**
 * One way to identify a call. Returns null if the call presents no identity of this kind; the next source decides then. A
 * promise never rejects. It is returned only for a credential that must be verified first.
 */
export type IdentitySource = (
  call: Call,
  directory: Directory,
) => Identification | null | Promise<Identification>;

/** Identifies a call by the tenant of its listener, if it has one. The last source, for calls that present no identity. */
export const byListener: IdentitySource = (call, directory) => {
  const listener = directory.listener(call.peer.listener);
  // A reload is about to close this listener or has just bound it. The client should retry.
  return listener === null ? 'tenant-changed' : listener.tenant;
};

export interface IdentifyOptions {
  readonly directory: CurrentDirectory;
  /** In order: the first result that is not null decides. */
  readonly sources: readonly IdentitySource[];
  /** Called for every rejected call, because the observe layer is below and does not see it. */
  readonly onRejected: ((call: Call, reason: RefusalName) => void) | null;
  /** Called for the first call of each connection, once its tenant is known. */
  readonly onConnected: ((call: Call) => void) | null;
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

  unary(call: Call, request: Message<'client'>, responses: Responses<'client'>): CallHandle {
    const result = this.#identify(call);
    if (!(result instanceof Promise)) return this.#unary(call, request, responses, result);
    const deferred = new DeferredCall(call, responses);
    void result.then((late) =>
      deferred.start(() =>
        deferred.attach(this.#unary(call, request, deferred, this.#recheck(late))),
      ),
    );
    return deferred;
  }

  stream(call: Call, responses: Responses<'client'>): Requests<'client'> {
    const result = this.#identify(call);
    if (!(result instanceof Promise)) return this.#stream(call, responses, result);
    const deferred = new DeferredCall(call, responses);
    void result.then((late) =>
      deferred.start(() =>
        deferred.attachStream(this.#stream(call, deferred, this.#recheck(late))),
      ),
    );
    return deferred;
  }

  #unary(
    call: Call,
    request: Message<'client'>,
    responses: Responses<'client'>,
    result: Identification,
  ): CallHandle {
    if (!this.#accept(call, responses, result)) return endedCall;
    return this.#next.unary(call, asTenantMessage(request), responses as ResponseSink);
  }

  #stream(call: Call, responses: Responses<'client'>, result: Identification): Requests<'client'> {
    if (!this.#accept(call, responses, result)) return endedCall;
    // From here on the client's messages are in the tenant's space, and the tenant's responses may be sent to the client.
    return this.#next.stream(call, responses as ResponseSink) as RequestSink;
  }

  /** Sets the tenant of the call, or rejects the call and returns false. */
  #accept(call: Call, responses: Responses<'client'>, result: Identification): boolean {
    if (typeof result === 'string') {
      this.#reject(call, responses, result);
      return false;
    }
    const { place } = call.peer;
    call.tenant = result;
    if (place === undefined || place.tenant !== null) return true;
    if (!place.assign(result.name)) {
      call.tenant = null;
      this.#reject(call, responses, 'connection-limit');
      return false;
    }
    this.#options.onConnected?.(call);
    return true;
  }

  #reject(call: Call, responses: Responses<'client'>, reason: RefusalName): void {
    this.#options.onRejected?.(call, reason);
    responses.end(refusal(reason));
  }

  /** A reload may have changed the tenant during the verification. */
  #recheck(result: Identification): Identification {
    if (typeof result === 'string' || this.#options.directory.current.has(result)) return result;
    return 'tenant-changed';
  }

  #identify(call: Call): Identification | Promise<Identification> {
    const directory = this.#options.directory.current;
    for (const source of this.#options.sources) {
      const result = source(call, directory);
      if (result !== null) return result;
    }
    return 'tenant-unknown';
  }
}

/** The client's messages are the tenant's, as soon as the tenant is known. */
function asTenantMessage(message: Message<'client'>): Message<'tenant'> {
  return message as Uint8Array as Message<'tenant'>;
}
