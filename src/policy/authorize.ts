/**
 * The layer that ends methods which act on the whole cluster. What a method is refused for stands in the table of methods;
 * this only carries it out, before the call has cost anything.
 */
import type { Call, Etcd, Layer, Message, Reply, Requests } from '../etcd/api.ts';
import { refusal } from '../etcd/errors.ts';
import { type Ongoing, settled } from '../grpc/call.ts';

/** Hears of every denial, for the log and a counter. */
export type OnDenied = (call: Call) => void;

export function authorize(onDenied: OnDenied | null): Layer<'tenant'> {
  return (next) => new Authorize(next, onDenied);
}

class Authorize implements Etcd<'tenant'> {
  readonly #next: Etcd<'tenant'>;
  readonly #onDenied: OnDenied | null;

  constructor(next: Etcd<'tenant'>, onDenied: OnDenied | null) {
    this.#next = next;
    this.#onDenied = onDenied;
  }

  unary(call: Call, request: Message<'tenant'>, reply: Reply<'tenant'>): Ongoing {
    if (call.method.decision === 'refused') return this.#deny(call, reply);
    return this.#next.unary(call, request, reply);
  }

  stream(call: Call, reply: Reply<'tenant'>): Requests<'tenant'> {
    if (call.method.decision === 'refused') return this.#deny(call, reply);
    return this.#next.stream(call, reply);
  }

  #deny(call: Call, reply: Reply<'tenant'>): Requests<'tenant'> {
    this.#onDenied?.(call);
    reply.end(refusal('method-denied'));
    return settled;
  }
}
