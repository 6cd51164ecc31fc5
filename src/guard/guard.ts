/**
 * The innermost layer, between the pipeline and the upstream: time limits, breakers, the hold and the one retry. It judges
 * single attempts; what a client sees of a failing cluster, and how soon, is decided here. Bytes pass unread.
 */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { GuardParts } from './guarded-call.ts';
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

  unary(call: Call, request: Message<'store'>, reply: Responses<'store'>): CallHandle {
    const guarded = new GuardedUnary(this.#parts, this.#next, call, request, reply);
    guarded.begin(call.method.waits ? Number.POSITIVE_INFINITY : this.#parts.requestTimeoutMs);
    return guarded;
  }

  stream(call: Call, reply: Responses<'store'>): Requests<'store'> {
    const guarded = new GuardedStream(this.#parts, this.#next, call, reply);
    // Streams live as long as their client wants them.
    guarded.begin(Number.POSITIVE_INFINITY);
    return guarded;
  }
}
