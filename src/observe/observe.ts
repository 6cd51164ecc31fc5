/**
 * The layer that sees what the tenant saw: every call from its start to its end, refusals of the layers below included.
 * It changes nothing. One object per unary call, which is the record as well; a stream, whose messages go both ways, has two.
 */
import type { Call, Etcd, Layer, Message, Reply, Requests } from '../call/call.ts';
import { hintTrailer, reasonTrailer } from '../call/refusals.ts';
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
    const observed = new ObservedUnary(this.#options, call, reply);
    observed.received(request);
    const { keyOf } = this.#options;
    if (keyOf !== null) observed.key = keyOf(call, request);
    observed.below = this.#next.unary(call, request, observed);
    return observed;
  }

  stream(call: Call, reply: Reply<'tenant'>): Requests<'tenant'> {
    const observed = new ObservedStream(this.#options, call, reply);
    this.#options.events.opened?.(observed);
    const above = new Above(observed);
    above.below = this.#next.stream(call, observed);
    return above;
  }
}

/** The reply, as the layers below see it, and the record. */
abstract class ObservedCall implements CallRecord {
  readonly call: Call;
  durationMs = 0;
  code = -1;
  text = '';
  isCancelled = false;
  requestMessages = 0;
  requestBytes = 0;
  responseMessages = 0;
  responseBytes = 0;
  key = '';
  protected readonly reply: Reply<'tenant'>;
  readonly #options: ObserveOptions;
  readonly #startMs: number;

  constructor(options: ObserveOptions, call: Call, reply: Reply<'tenant'>) {
    this.call = call;
    this.#options = options;
    this.reply = reply;
    this.#startMs = options.clock.nowMs();
    options.counters.started(call.method);
  }

  received(bytes: Uint8Array): void {
    this.requestMessages += 1;
    this.requestBytes += bytes.length;
  }

  message(bytes: Message<'tenant'>): void {
    this.responseMessages += 1;
    this.responseBytes += bytes.length;
    this.reply.message(bytes);
  }

  end(status: Status): void {
    if (this.code >= 0) return;
    this.text = status.text;
    if (status.origin === 'proxy' && status.code !== Code.OK) this.#refused(status);
    this.#over(status.code);
    this.reply.end(status);
  }

  /** The client went away. */
  cancelled(): void {
    this.isCancelled = true;
    this.#over(Code.CANCELLED);
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

/** Seen from above it is the ongoing call. A single message each way leaves nothing to pause, in either sense of the word. */
class ObservedUnary extends ObservedCall implements Reply<'tenant'>, Ongoing {
  /** `settled` while the layer below is still starting it. */
  below: Ongoing = settled;

  cancel(): void {
    if (this.code >= 0) return;
    this.cancelled();
    this.below.cancel();
  }

  pause(): void {}
  resume(): void {}
}

class ObservedStream extends ObservedCall implements Reply<'tenant'> {
  pause(): void {
    this.reply.pause();
  }

  resume(): void {
    this.reply.resume();
  }
}

/** The requests' way down, as the layers above see it. */
class Above implements Requests<'tenant'> {
  /** `settled` while the layer below is still starting it. */
  below: Requests<'tenant'> = settled;
  readonly #observed: ObservedStream;

  constructor(observed: ObservedStream) {
    this.#observed = observed;
  }

  message(bytes: Message<'tenant'>): void {
    this.#observed.received(bytes);
    this.below.message(bytes);
  }

  end(): void {
    this.below.end();
  }

  cancel(): void {
    if (this.#observed.code >= 0) return;
    this.#observed.cancelled();
    this.below.cancel();
  }

  pause(): void {
    this.below.pause();
  }

  resume(): void {
    this.below.resume();
  }
}
