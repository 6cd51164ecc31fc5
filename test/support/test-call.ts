/** A tenant, a call and its messages, for tests of layers. */
import { Call, type Message, type Space } from '../../src/call/call.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { type MethodName, method } from '../../src/etcd/methods.ts';
import type { CallHandle, RequestSink, ResponseSink } from '../../src/grpc/call.ts';
import type { Metadata } from '../../src/grpc/metadata.ts';
import type { Peer } from '../../src/grpc/transport.ts';
import { TenantState } from '../../src/tenant/state.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import { bytesOf } from './fake-call.ts';

/** Its namespace is its name and a slash, unless `parts` say otherwise. */
export function testTenant(name = 'game-1', parts: Partial<Tenant> = {}): Tenant {
  return {
    name,
    keySpace: keySpace(Buffer.from(`${name}/`)),
    state: new TenantState(name),
    access: 'read-write',
    sharesWatches: true,
    cachesReads: false,
    owns: new Set(),
    ...parts,
  };
}

/** The tenant whose keys are those of the store. */
export function unprefixedTenant(parts: Partial<Tenant> = {}): Tenant {
  return testTenant('owner', { keySpace: keySpace(Buffer.alloc(0)), ...parts });
}

export interface CallOptions {
  readonly tenant?: Tenant | null;
  readonly metadata?: Metadata;
  readonly deadlineMs?: number;
  readonly listener?: string;
  /** The connection. Without it each call has one of its own. */
  readonly peer?: Peer;
}

export function callOf(name: MethodName, options: CallOptions = {}): Call {
  const { tenant = null, metadata = [], deadlineMs = Infinity, listener = 'main' } = options;
  const { peer = { listener, remote: '127.0.0.1:50000', certificate: null } } = options;
  const call = new Call({ method: method(name), metadata, deadlineMs, peer });
  call.tenant = tenant;
  return call;
}

/** Plain bytes as a message of the key space that the place expects. */
export function message<S extends Space>(content: Uint8Array | string): Message<S> {
  return bytesOf(content) as Message<S>;
}

/** A layer as tests call it: with plain bytes for messages of its key space. */
export interface BytesEtcd {
  unary(call: Call, request: Uint8Array, responses: ResponseSink): CallHandle;
  stream(call: Call, responses: ResponseSink): RequestSink;
}

export function onBytes(etcd: BytesEtcd): BytesEtcd {
  return etcd;
}
