/**
 * The layer that ends what a tenant may not do: methods that act on the whole cluster, unless it owns that, and every
 * write when it may only read. What each method does stands in the table of methods; this only carries it out, before the
 * call has cost anything.
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

/** Per method, since the hint is the method's. */
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

  unary(call: Call, request: Message<'tenant'>, reply: Responses<'tenant'>): CallHandle {
    const refused = refusalOf(call, request);
    if (refused === null) return this.#next.unary(call, request, reply);
    reply.end(refused);
    return endedCall;
  }

  stream(call: Call, reply: Responses<'tenant'>): Requests<'tenant'> {
    const refused = refusalOf(call, null);
    if (refused === null) return this.#next.stream(call, reply);
    reply.end(refused);
    return endedCall;
  }
}

/** `request` is null for streams, none of which has to be read to know what it does. */
function refusalOf(call: Call, request: Message<'tenant'> | null): Status | null {
  const { method } = call;
  if (method.decision === 'rejected' && !isOwned(call)) return denials[method.index] as Status;
  const isReader = tenantOf(call).access === 'read-only';
  // What everybody may see of the cluster as a whole, its owner alone may change.
  const isVisitor = method.owner && method.effect === 'either' && !isOwned(call);
  if (!isReader && !isVisitor) return null;
  const effect =
    method.effect === 'either' && request !== null ? effectOf(method.name, request) : method.effect;
  if (effect === 'reads') return null;
  if (effect !== 'writes' && effect !== 'either') return refusal(effect);
  return isVisitor ? (denials[method.index] as Status) : refusal('read-only');
}
