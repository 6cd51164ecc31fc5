/**
 * The contract of every layer of the pipeline: etcd, in message bytes. A layer takes what is below it and returns the
 * same shape. The type parameter says whose keys the bytes carry, so that a wrong order of layers, a missing namespace
 * or a double one does not compile.
 */
import type { Reply as BytesReply, Requests as BytesRequests, Ongoing } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Incoming, Peer } from '../grpc/transport.ts';
import type { Method } from '../etcd/methods.ts';
import type { Tenant } from '../tenant/tenant.ts';

/** `client`: as sent, by nobody we know yet. `tenant`: visible keys of a known tenant. `store`: keys as etcd holds them. */
export type Space = 'client' | 'tenant' | 'store';

declare const space: unique symbol;
/** A whole protobuf message of the API. Casts between spaces stand in grpc's listener glue, tenant/, namespace/ and upstream/. */
export type Message<S extends Space> = Uint8Array & { readonly [space]?: S };

export interface Reply<S extends Space> extends BytesReply {
  message(bytes: Message<S>): void;
}

export interface Requests<S extends Space> extends BytesRequests {
  message(bytes: Message<S>): void;
}

export interface Etcd<S extends Space> {
  /** For methods that stream in neither direction. */
  unary(call: Call, request: Message<S>, reply: Reply<S>): Ongoing;
  /** For all others. */
  stream(call: Call, reply: Reply<S>): Requests<S>;
}

export type Layer<Above extends Space, Below extends Space = Above> = (
  next: Etcd<Below>,
) => Etcd<Above>;

/** Takes what was thrown while a call was worked on: ends that call, and no other, and tells of it once. */
export interface Rescuer {
  onFault(error: unknown): void;
}

/** One call on its way down. Layers read it; only `rescue` and `identify` write it. */
export class Call {
  readonly method: Method;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
  readonly peer: Peer;
  /** Null until `identify` has found it; every layer below may rely on it through `tenantOf`. */
  tenant: Tenant | null = null;
  /** For code that sockets and timers enter directly, below `rescue`. Null for a call that no client began. */
  rescuer: Rescuer | null = null;

  constructor(incoming: Incoming<Method>) {
    this.method = incoming.method;
    this.metadata = incoming.metadata;
    this.deadlineMs = incoming.deadlineMs;
    this.peer = incoming.peer;
  }
}

/** Whether the call is for the cluster as a whole, by the tenant that owns it: nothing of it is rewritten or hidden. */
export function isOwned(call: Call): boolean {
  return call.method.owner && tenantOf(call).owns.has(call.method.name);
}

/** The call's tenant. Throws when a layer that needs one stands above `identify`: a mistake in the pipeline. */
export function tenantOf(call: Call): Tenant {
  if (call.tenant === null) throw new Error(`${call.method.path} has no tenant`);
  return call.tenant;
}
