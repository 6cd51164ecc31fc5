/**
 * The layer that sees what the tenant saw: every call from its start to its end, refusals of the layers below included.
 * It changes nothing. Two objects per call: the request's way down, and the answer's way up, which is also the record.
 */
import type { Call, Etcd, Layer, Message, Reply, Requests } from '../etcd/api.ts';
import { hintTrailer, reasonTrailer } from '../etcd/errors.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import { metadataValue } from '../grpc/metadata.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { CallCounters } from './call-counters.ts';
import type { CallEvents, CallRecord } from './events.ts';

export interface ObserveOptions {
  readonly clock: Clock;
  readonly counters: CallCounters;
  readonly events: CallEvents;
  /** The key that a unary request is about, printable. Null unless keys may be logged. */
  readonly keyOf: ((call: Call, request: Message<'tenant'>) => string) | null;
}

export function observe(options: ObserveOptions): Layer<'tenant'> {
  return (next) => new Observed(options, next);
}

class Observed implements Etcd<'tenant'> {
  readonly #options: ObserveOptions;
  readonly #next: Etcd<'tenant'>;

  constructor(options: ObserveOptions, next: Etcd<'tenant'>) {
    this.#options = options;
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, reply: Reply<'tenant'>): Ongoing {
    const observed = new ObservedCall(this.#options, call, reply);
    observed.received(request);
    const { keyOf } = this.#options;
    if (keyOf !== null) observed.key = keyOf(call, request);
    observed.below = this.#next.unary(call, request, observed);
    return observed.above;
  }

  stream(call: Call, reply: Reply<'tenant'>): Requests<'tenant'> {
    const observed = new ObservedCall(this.#options, call, reply);
    this.#options.events.opened?.(observed);
    const below = this.#next.stream(call, observed);
    observed.below = below;
    observed.requests = below;
    return observed.above;
  }
}

/** The reply, as the layers below see it, and the record. */
class ObservedCall implements Reply<'tenant'>, CallRecord {
  readonly call: Call;
  readonly above: Above;
  /** `settled` while the layer below is still starting it. */
  below: Ongoing = settled;
  /** The same object as `below` where the call is a stream. */
  requests: Requests<'tenant'> = settled;
  durationMs = 0;
  code = -1;
  text = '';
  isCancelled = false;
  requestMessages = 0;
  requestBytes = 0;
  responseMessages = 0;
  responseBytes = 0;
  key = '';
  readonly #options: ObserveOptions;
  readonly #reply: Reply<'tenant'>;
  readonly #startMs: number;

  constructor(options: ObserveOptions, call: Call, reply: Reply<'tenant'>) {
    this.call = call;
    this.#options = options;
    this.#reply = reply;
    this.#startMs = options.clock.nowMs();
    this.above = new Above(this);
    options.counters.started(call.method);
  }

  received(bytes: Uint8Array): void {
    this.requestMessages += 1;
    this.requestBytes += bytes.length;
  }

  message(bytes: Message<'tenant'>): void {
    this.responseMessages += 1;
    this.responseBytes += bytes.length;
    this.#reply.message(bytes);
  }

  end(status: Status): void {
    if (this.code >= 0) return;
    this.text = status.text;
    if (status.origin === 'proxy' && status.code !== Code.OK) this.#refused(status);
    this.#over(status.code);
    this.#reply.end(status);
  }

  /** The client went away. */
  cancelled(): void {
    this.isCancelled = true;
    this.#over(Code.CANCELLED);
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }

  #refused(status: Status): void {
    const reason = metadataValue(status.trailers, reasonTrailer);
    if (reason === undefined) return;
    this.#options.counters.refused(reason);
    this.#options.events.refused?.(this, reason, metadataValue(status.trailers, hintTrailer));
  }

  #over(code: number): void {
    this.code = code;
    this.durationMs = this.#options.clock.nowMs() - this.#startMs;
    this.#options.counters.ended(this.call.method, code, this.durationMs);
    this.#options.events.ended?.(this);
  }
}

/** The request's way down, as the layers above see it. */
class Above implements Requests<'tenant'> {
  readonly #observed: ObservedCall;

  constructor(observed: ObservedCall) {
    this.#observed = observed;
  }

  message(bytes: Message<'tenant'>): void {
    this.#observed.received(bytes);
    this.#observed.requests.message(bytes);
  }

  end(): void {
    this.#observed.requests.end();
  }

  cancel(): void {
    if (this.#observed.code >= 0) return;
    this.#observed.cancelled();
    this.#observed.below.cancel();
  }

  pause(): void {
    this.#observed.below.pause();
  }

  resume(): void {
    this.#observed.below.resume();
  }
}
