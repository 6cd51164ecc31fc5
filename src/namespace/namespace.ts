/**
 * Between a tenant's keys and the stored ones: the prefix and the lease tag go onto every request and come off every
 * answer. Above it nobody sees a stored key, below it nobody knows tenants' names. It does not decide who may do what; it
 * guarantees that no byte of a request names, and no byte of an answer shows, a key or a lease of somebody else.
 */
import { type Call, isOwned, type Layer, type Reply, type Requests } from '../call/call.ts';
import { type Method, type MethodName, methods } from '../etcd/methods.ts';
import { alarm, ownersAlarm } from './cluster/alarm.ts';
import { compact } from './compaction/compact.ts';
import { isRangeBelow, isTxnBelow } from './compaction/floor.ts';
import type { NamespaceOptions, ToStream, ToUnary } from './handler.ts';
import { keepAlive } from './leases/keep-alive.ts';
import { timeToLive } from './leases/lease-echo.ts';
import { leaseGrant } from './leases/lease-grant.ts';
import { memberList } from './cluster/member-list.ts';
import { rewrittenStream } from './requests.ts';
import { leaseOfLeader, leaseOfRequest, withSession } from './leases/session.ts';
import { memberStatus } from './cluster/status.ts';
import { passed, rewritten } from './unary.ts';

/** Methods that need more than the rewriting that the table of fields describes. */
const unaries: { readonly [name in MethodName]?: ToUnary } = {
  'etcdserverpb.KV/Range': rewritten(isRangeBelow),
  'etcdserverpb.KV/Txn': rewritten(isTxnBelow),
  'etcdserverpb.KV/Compact': compact,
  'etcdserverpb.Lease/LeaseGrant': leaseGrant,
  'etcdserverpb.Lease/LeaseTimeToLive': timeToLive,
  'etcdserverpb.Cluster/MemberList': memberList,
  'etcdserverpb.Maintenance/Status': memberStatus,
  'etcdserverpb.Maintenance/Alarm': alarm,
  // They get here only where the client's credentials are etcd's to judge.
  'etcdserverpb.Auth/AuthStatus': rewritten(null),
  'etcdserverpb.Auth/Authenticate': rewritten(null),
  'v3lockpb.Lock/Lock': withSession(leaseOfRequest),
  'v3electionpb.Election/Campaign': withSession(leaseOfRequest),
  'v3electionpb.Election/Proclaim': withSession(leaseOfLeader),
};

/** Methods that are not passed on to the cluster as they are when its owner calls them. */
const ownersUnaries: { readonly [name in MethodName]?: ToUnary } = {
  'etcdserverpb.Maintenance/Alarm': ownersAlarm,
};

const streams: { readonly [name in MethodName]?: ToStream } = {
  'etcdserverpb.KV/RangeStream': rewrittenStream(isRangeBelow),
  'etcdserverpb.Lease/LeaseKeepAlive': keepAlive,
};

export function namespace(options: NamespaceOptions): Layer<'tenant', 'store'> {
  return (next) => {
    const unary = methods.map((m) => toUnary(m)?.(next, options) ?? null);
    const stream = methods.map((m) => toStream(m)?.(next, options) ?? null);
    const ownersUnary = methods.map((m) => (ownersUnaries[m.name] ?? passed)(next, options));
    return {
      unary: (call, request, reply) =>
        handlerOf(isOwned(call) ? ownersUnary : unary, call)(call, request, reply),
      stream: (call, reply) =>
        isOwned(call)
          ? (next.stream(call, reply as Reply<never>) as Requests<never>)
          : handlerOf(stream, call)(call, reply),
    };
  };
}

function toUnary(m: Method): ToUnary | null {
  if (m.requestStream || m.responseStream) return null;
  return unaries[m.name] ?? (m.decision === 'namespaced' ? rewritten(null) : null);
}

function toStream(m: Method): ToStream | null {
  if (!(m.requestStream || m.responseStream)) return null;
  return streams[m.name] ?? (m.decision === 'namespaced' ? rewrittenStream(null) : null);
}

/** Throws for a method that a layer above has to refuse or answer: passing it on would reach past the namespace. */
function handlerOf<Handler>(handlers: readonly (Handler | null)[], call: Call): Handler {
  const handler = handlers[call.method.index] ?? null;
  if (handler === null) throw new Error(`${call.method.path} must not get as far as namespace/`);
  return handler;
}
