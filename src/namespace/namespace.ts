/**
 * Between a tenant's keys and the stored ones: adds the prefix to keys and a check value to lease IDs in every request,
 * and removes both from every response. Layers above never see a stored key, layers below never see a tenant's name. It does not decide which tenant may
 * do what. It guarantees that no request names, and no response shows, a key or a lease of another tenant.
 */
import { type Call, isOwned, type Layer, type Requests } from '../call/call.ts';
import { leaseOfLeader, leaseOfRequest } from '../etcd/lease-place.ts';
import { type Method, type MethodName, methods } from '../etcd/methods.ts';
import type { RequestSink } from '../grpc/call.ts';
import { alarm, ownersAlarm } from './cluster/alarm.ts';
import { memberList } from './cluster/member-list.ts';
import { memberStatus } from './cluster/member-status.ts';
import { compact } from './compaction/compact.ts';
import { isRangeBelow, isTxnBelow } from './compaction/floor-check.ts';
import type { NamespaceOptions, ToStream, ToUnary } from './handler.ts';
import { leaseGrant } from './leases/grant.ts';
import { timeToLive } from './leases/id-echo.ts';
import { keepAlive } from './leases/keep-alive.ts';
import { leaseRevoke } from './leases/revoke.ts';
import { withSession } from './leases/session.ts';
import { rewrittenStream } from './namespaced-call.ts';
import { asStoredSink, checked, passed, rewritten } from './unary.ts';

/** Methods that need more than the rewriting that the table of fields describes. */
const unaries: { readonly [name in MethodName]?: ToUnary } = {
  'etcdserverpb.KV/Range': rewritten(isRangeBelow),
  'etcdserverpb.KV/Txn': rewritten(isTxnBelow),
  'etcdserverpb.KV/Compact': checked(compact),
  'etcdserverpb.Lease/LeaseGrant': checked(leaseGrant),
  'etcdserverpb.Lease/LeaseRevoke': leaseRevoke,
  'etcdserverpb.Lease/LeaseTimeToLive': timeToLive,
  'etcdserverpb.Cluster/MemberList': checked(memberList),
  'etcdserverpb.Maintenance/Status': checked(memberStatus),
  'etcdserverpb.Maintenance/Alarm': checked(alarm),
  // They reach this layer only on listeners that pass the client's credentials to etcd.
  'etcdserverpb.Auth/AuthStatus': rewritten(null),
  'etcdserverpb.Auth/Authenticate': rewritten(null),
  'v3lockpb.Lock/Lock': withSession(leaseOfRequest),
  'v3electionpb.Election/Campaign': withSession(leaseOfRequest),
  'v3electionpb.Election/Proclaim': withSession(leaseOfLeader),
};

/** Methods that are not passed on unchanged if the owner of the cluster calls them. */
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
      unary: (call, request, responses) =>
        handlerOf(isOwned(call) ? ownersUnary : unary, call)(call, request, responses),
      stream: (call, responses) =>
        isOwned(call)
          ? asVisible(next.stream(call, asStoredSink(responses)))
          : handlerOf(stream, call)(call, responses),
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

/** Throws for a method that a layer above must reject or serve: passing it on would bypass the namespace. */
function handlerOf<Handler>(handlers: readonly (Handler | null)[], call: Call): Handler {
  const handler = handlers[call.method.index] ?? null;
  if (handler === null) throw new Error(`${call.method.path} must not get as far as namespace/`);
  return handler;
}

/** A sink for messages that are the same in both spaces. */
function asVisible(requests: Requests<'store'>): Requests<'tenant'> {
  return requests as RequestSink;
}
