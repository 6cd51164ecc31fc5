/**
 * The contract of every layer of the pipeline: the etcd API in message bytes. A layer takes the layer below it and returns
 * the same shape. The type parameter is the key space of the bytes, so that a wrong order of layers, a missing namespace or
 * a doubled one does not compile.
 */
import type { Method } from '../etcd/methods.ts';
import type { CallHandle, RequestSink, ResponseSink } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Incoming, Peer } from '../grpc/transport.ts';
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { CallTrace } from './trace.ts';

/**
 * `client`: as the client sent them, its tenant not yet known. `tenant`: visible keys of a known tenant. `store`: keys as
 * etcd holds them.
 */
export type Space = 'client' | 'tenant' | 'store';

declare const space: unique symbol;

/** A whole protobuf message of the API, shared. Code casts to it only where a space begins or ends. */
export type Message<S extends Space> = Uint8Array & { readonly [space]: S };

/** A message whose receiver may rewrite it in place and release its memory. */
export type OwnedMessage<S extends Space> = Message<S> & OwnedBytes;

export type Requests<S extends Space> = RequestSink<Message<S>>;
export type Responses<S extends Space> = ResponseSink<Message<S>>;

export interface Etcd<S extends Space> {
  /** For methods that stream in neither direction. */
  unary(call: Call, request: Message<S>, responses: Responses<S>): CallHandle;
  /** For all other methods. */
  stream(call: Call, responses: Responses<S>): Requests<S>;
}

export type Layer<Above extends Space, Below extends Space = Above> = (
  next: Etcd<Below>,
) => Etcd<Above>;

/** Declares a message that the proxy has built itself, with keys of space S or without any. */
export function builtMessage<S extends Space>(bytes: OwnedBytes): OwnedMessage<S> {
  return bytes as OwnedMessage<S>;
}

/** The whole of a shared message in memory of its own, for a receiver that keeps or rewrites it. */
export function ownedCopy<S extends Space>(head: Uint8Array, tail: Message<S>): OwnedMessage<S> {
  return builtMessage(asOwned(Buffer.concat([head, tail])));
}

/** Ends the one call that a bug was hit in. Installed by the rescue layer. */
export interface FaultHandler {
  onFault(error: unknown): void;
}

/** One call on the request path. Layers read it; only rescue, identify and trace write it, and the gateway before the call starts. */
export class Call {
  readonly method: Method;
  readonly metadata: Metadata;
  /** On the clock's monotonic scale; `Infinity` without a deadline. */
  readonly deadlineMs: number;
  readonly peer: Peer;
  /** The server as the client calls it, not validated. Empty for calls of the proxy itself. */
  readonly authority: string;
  /** A read of `/health`. Limits let it pass: a busy tenant is not unhealthy. Set by the gateway. */
  isProbe = false;
  /** Null until identify has found it. Layers below identify read it through `tenantOf`. */
  tenant: Tenant | null = null;
  /** Whether this is a stream of the proxy itself that continues without loss on another endpoint. */
  isMovable = false;
  /** Null for a call that did not come through the rescue layer. */
  faultHandler: FaultHandler | null = null;
  /** Null if the call is not traced. */
  trace: CallTrace | null = null;

  constructor(incoming: Incoming<Method>) {
    this.method = incoming.method;
    this.metadata = incoming.metadata;
    this.deadlineMs = incoming.deadlineMs;
    this.peer = incoming.peer;
    this.authority = incoming.authority ?? '';
  }

  /**
   * Reports what was thrown while a socket, a timer or a promise drove this call. The call ends with Internal; no other call
   * is affected. Throws `error` again if the call has no fault handler.
   */
  fault(error: unknown): void {
    if (this.faultHandler === null) throw error;
    this.faultHandler.onFault(error);
  }

  /** A call that the proxy itself makes on behalf of this one. A fault in it ends this call. */
  derive(method: Method): Call {
    const { metadata, deadlineMs, peer, authority } = this;
    const derived = new Call({ method, metadata, deadlineMs, peer, authority });
    derived.tenant = this.tenant;
    derived.faultHandler = this.faultHandler;
    derived.trace = this.trace;
    return derived;
  }
}

/** Whether the call acts on the whole cluster for the tenant that owns it. Such a call is neither rewritten nor filtered. */
export function isOwned(call: Call): boolean {
  return call.method.owner && tenantOf(call).owns.has(call.method.name);
}

/** The call's tenant. Throws if a layer that needs one is above identify: a bug in the pipeline. */
export function tenantOf(call: Call): Tenant {
  if (call.tenant === null) throw new Error(`${call.method.path} has no tenant`);
  return call.tenant;
}
