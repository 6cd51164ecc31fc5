/** The layer that gives each call its trace, if tracing is on. Otherwise the pipeline has no such layer, and calls have no trace. */
import type { Call, Etcd, Layer, Message, Requests, Responses } from '../call/call.ts';
import { ForwardingEtcd } from '../call/forwarding.ts';
import type { CallTrace } from '../call/trace.ts';
import type { CallHandle } from '../grpc/call.ts';

export interface CallTracer {
  /** The trace of a call that begins; null if there is nothing to record or to pass on. */
  begin(call: Call): CallTrace | null;
}

export function trace(tracer: CallTracer | null): Layer<'tenant'> {
  return (next) => (tracer === null ? next : new Trace(tracer, next));
}

class Trace extends ForwardingEtcd<'tenant'> {
  readonly #tracer: CallTracer;

  constructor(tracer: CallTracer, next: Etcd<'tenant'>) {
    super(next);
    this.#tracer = tracer;
  }

  override unary(
    call: Call,
    request: Message<'tenant'>,
    responses: Responses<'tenant'>,
  ): CallHandle {
    call.trace = this.#tracer.begin(call);
    return super.unary(call, request, responses);
  }

  override stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    call.trace = this.#tracer.begin(call);
    return super.stream(call, responses);
  }
}
