/**
 * The layer that rejects what a tenant may not do: methods on the whole cluster, unless the tenant owns it, and all writes
 * of a read-only tenant. The methods table has the rule for each method. A call is rejected before it costs anything.
 */
import {
  type Call,
  type Etcd,
  isOwned,
  type Layer,
  type Message,
  type Requests,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { hintTrailer, refusal, refusalWith } from '../call/refusals.ts';
import { methods } from '../etcd/methods.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import { effectOf } from './effect.ts';

/** By method, because each method has its own hint. */
const denials = methods.map(({ hint }) =>
  hint === '' ? refusal('method-denied') : refusalWith('method-denied', [hintTrailer, hint]),
);

export function authorize(): Layer<'tenant'> {
  return (next) => new Authorize(next);
}

class Authorize implements Etcd<'tenant'> {
  readonly #next: Etcd<'tenant'>;

  constructor(next: Etcd<'tenant'>) {
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    const status = refusalOf(call, request);
    if (status === null) return this.#next.unary(call, request, responses);
    responses.end(status);
    return endedCall;
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    const status = refusalOf(call, null);
    if (status === null) return this.#next.stream(call, responses);
    responses.end(status);
    return endedCall;
  }
}

/** Returns null for a call that is allowed. `request` is null for streams, whose effect does not depend on a request. */
function refusalOf(call: Call, request: Message<'tenant'> | null): Status | null {
  const { method } = call;
  if (method.decision === 'rejected' && !isOwned(call)) return denials[method.index] as Status;
  const isReadOnly = tenantOf(call).access === 'read-only';
  // All tenants may read some state of the whole cluster. Only its owner may change it.
  const needsOwnerToWrite = method.owner && method.effect === 'either' && !isOwned(call);
  if (!isReadOnly && !needsOwnerToWrite) return null;
  const effect =
    method.effect === 'either' && request !== null ? effectOf(method.name, request) : method.effect;
  if (effect === 'reads') return null;
  if (effect !== 'writes' && effect !== 'either') return refusal(effect);
  return needsOwnerToWrite ? (denials[method.index] as Status) : refusal('read-only');
}
