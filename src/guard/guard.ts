/**
 * The innermost layer, between the pipeline and the upstream: time limits, breakers, the hold, the queues and the one retry of
 * reads. It classifies single attempts and decides what a client receives when the cluster fails, and how soon. Of messages it
 * reads only how large the response to a range will be: see read-sizes.ts.
 */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { GuardParts } from './guard-parts.ts';
import { GuardedStream } from './guarded-stream.ts';
import { GuardedUnary } from './guarded-unary.ts';

export function guard(parts: GuardParts): Layer<'store'> {
  return (next) => new Guard(parts, next);
}

class Guard implements Etcd<'store'> {
  readonly #parts: GuardParts;
  readonly #next: Etcd<'store'>;

  constructor(parts: GuardParts, next: Etcd<'store'>) {
    this.#parts = parts;
    this.#next = next;
  }

  unary(call: Call, request: Message<'store'>, responses: Responses<'store'>): CallHandle {
    const guarded = new GuardedUnary(this.#parts, this.#next, call, request, responses);
    guarded.begin(call.method.waits ? Number.POSITIVE_INFINITY : this.#parts.requestTimeoutMs);
    return guarded;
  }

  stream(call: Call, responses: Responses<'store'>): Requests<'store'> {
    const guarded = new GuardedStream(this.#parts, this.#next, call, responses);
    guarded.begin(Number.POSITIVE_INFINITY);
    return guarded;
  }
}
