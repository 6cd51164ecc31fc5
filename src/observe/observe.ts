/**
 * The layer that observes calls as the tenant sees them: every call from its start to its end, including refusals by the
 * layers below. It changes nothing. One object per call is both the forwarder and the record.
 */
import {
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type OwnedMessage,
  type Requests,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';
import { hintTrailer, type RefusalName, reasonTrailer } from '../call/refusals.ts';
import { method } from '../etcd/methods.ts';
import type { CallHandle } from '../grpc/call.ts';
import { metadataValue } from '../grpc/metadata.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Traffic } from '../tenant/traffic.ts';
import type { CallSample } from './advice/call-sample.ts';
import type { CallCounters } from './call-counters.ts';
import type { CallEvents, CallRecord, OperationNotes } from './events.ts';

export interface ObserveOptions {
  readonly clock: Clock;
  readonly counters: CallCounters;
  readonly events: CallEvents;
}

const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

const noTail = new Uint8Array(0);
/** Refusals of calls that have waited for etcd. Their durations count, as those of other slow calls. */
const timeouts: readonly string[] = ['deadline-passed', 'upstream-timeout'] satisfies RefusalName[];

export function observe(options: ObserveOptions): Layer<'tenant'> {
  return (next) => new Observe(options, next);
}

class Observe implements Etcd<'tenant'> {
  readonly #options: ObserveOptions;
  readonly #next: Etcd<'tenant'>;

  constructor(options: ObserveOptions, next: Etcd<'tenant'>) {
    this.#options = options;
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    const observed = new ObservedCall(this.#options, call, responses);
    observed.countRequest(request);
    observed.attach(this.#next.unary(call, request, observed));
    return observed;
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    const observed = new ObservedCall(this.#options, call, responses);
    this.#options.events.opened?.(observed);
    observed.attachStream(this.#next.stream(call, observed));
    return observed;
  }
}

/** The call between its neighbours in the pipeline, and its record. */
class ObservedCall extends ForwardingCall<'tenant'> implements CallRecord {
  readonly call: Call;
  durationMs = 0;
  code = -1;
  text = '';
  isCancelled = false;
  requestMessages = 0;
  requestBytes = 0;
  responseMessages = 0;
  responseBytes = 0;
  operation: OperationNotes | null = null;
  sample: CallSample | null = null;
  readonly #options: ObserveOptions;
  readonly #startMs: number;
  /** That of the state that the call began with. */
  readonly #traffic: Traffic;

  constructor(options: ObserveOptions, call: Call, above: Responses<'tenant'>) {
    super(above);
    this.call = call;
    this.#options = options;
    this.#startMs = options.clock.nowMs();
    options.counters.started(call.method);
    this.#traffic = tenantOf(call).state.traffic;
    this.#traffic.calls += 1;
  }

  countRequest(message: Message<'tenant'>): void {
    this.requestMessages += 1;
    this.requestBytes += message.length;
    this.#options.events.request?.(this, message);
    this.#traffic.requestBytes += message.length;
  }

  override send(message: Message<'tenant'>): void {
    if (this.isEnded) return;
    this.countRequest(message);
    if (this.call.method === keepAlive) {
      this.#traffic.leases.requested(message, this.#options.clock.nowMs());
    }
    super.send(message);
  }

  override deliver(message: OwnedMessage<'tenant'>): void {
    this.responseMessages += 1;
    this.responseBytes += message.length;
    this.#options.events.response?.(this, message, noTail);
    this.#traffic.responseBytes += message.length;
    super.deliver(message);
  }

  override deliverShared(head: Uint8Array, tail: Message<'tenant'>): void {
    this.responseMessages += 1;
    this.responseBytes += head.length + tail.length;
    this.#options.events.response?.(this, head, tail);
    this.#traffic.responseBytes += head.length + tail.length;
    super.deliverShared(head, tail);
  }

  override end(status: Status): void {
    if (this.isEnded) return;
    this.text = status.text;
    const isRejected = status.origin === 'proxy' && status.code !== Code.OK;
    const hasWaited = isRejected ? this.#reportRejection(status) : true;
    const nowMs = this.#record(status.code);
    this.#count(status.code, hasWaited, nowMs);
    super.end(status);
  }

  override cancel(): void {
    if (this.isEnded) return;
    this.isCancelled = true;
    this.#record(Code.CANCELLED);
    super.cancel();
  }

  /** Returns whether the call has waited for etcd. */
  #reportRejection(status: Status): boolean {
    const reason = metadataValue(status.trailers, reasonTrailer);
    if (reason === undefined) return true;
    this.#traffic.refused += 1;
    this.#options.counters.rejected(reason);
    this.#options.events.rejected?.(this, reason, metadataValue(status.trailers, hintTrailer));
    return timeouts.includes(reason);
  }

  /** Returns the time. */
  #record(code: number): number {
    const nowMs = this.#options.clock.nowMs();
    this.code = code;
    this.durationMs = nowMs - this.#startMs;
    this.#options.counters.ended(this.call.method, code, this.durationMs);
    this.#options.events.ended?.(this);
    return nowMs;
  }

  #count(code: number, hasWaited: boolean, nowMs: number): void {
    const { requestStream, responseStream, waits } = this.call.method;
    if (code !== Code.OK) this.#traffic.errors += 1;
    if (hasWaited && !(requestStream || responseStream || waits)) {
      this.#traffic.durations.record(this.durationMs, nowMs);
    }
  }
}
