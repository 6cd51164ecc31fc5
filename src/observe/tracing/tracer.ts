/**
 * Decides which calls are traced, and makes their spans: one per call when it ends, streams included, and one per attempt at
 * etcd. A call whose client has a trace follows the decision of the client. Of the others, a share is drawn. Of either kind, more
 * than a number of calls per second are not sampled, whatever clients ask for.
 *
 * A call that is not sampled has no trace object, unless its client has one: then etcd receives the client's context unchanged.
 */
import type { Call } from '../../call/call.ts';
import type { AttemptTrace, CallTrace } from '../../call/trace.ts';
import type { Method } from '../../etcd/methods.ts';
import type { Metadata } from '../../grpc/metadata.ts';
import type { Status } from '../../grpc/status.ts';
import type { Clock } from '../../runtime/clock.ts';
import { TokenBucket } from '../../runtime/token-bucket.ts';
import { isStream } from '../call-fields.ts';
import type { CallRecord } from '../events.ts';
import { describeRequest } from '../operation.ts';
import { isErrorOf, rpcAttributes, type Span } from './span.ts';
import { contextMetadata, type TraceContext, traceContext } from './trace-context.ts';
import type { TraceIds } from './trace-ids.ts';

/** Of a process and kind of call. A client can ask for each of its calls to be sampled. */
export const sampledPerSecondMax = 1_000;

export interface TracerOptions {
  readonly clock: Clock;
  readonly ids: TraceIds;
  /** The share of calls without a client's decision that are sampled, from 0 to 1. */
  readonly ratio: number;
  readonly onSpan: (span: Span) => void;
  /** A call was not sampled although its client asked for it, or the ratio did. */
  readonly onLimited: () => void;
}

export class Tracer {
  readonly #options: TracerOptions;
  /** For calls that their client samples. */
  readonly #asked = new TokenBucket();
  /** For calls of clients that have no trace. */
  readonly #drawn = new TokenBucket();

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** The trace of a call that begins; null if there is nothing to record or to pass on. */
  begin(call: Call): CallTrace | null {
    const { clock, ids, ratio } = this.#options;
    const parent = traceContext(call.metadata);
    const isWanted = parent === null ? ids.chance(ratio) : parent.isSampled;
    if (isWanted && this.#mayRecord(parent === null ? this.#drawn : this.#asked, clock.nowMs())) {
      return new RecordedTrace(this.#options, parent, call.tenant?.name ?? '');
    }
    return parent === null ? null : new PassedTrace(parent);
  }

  /** Notes the key of the request of a unary call. */
  requested(record: CallRecord, message: Uint8Array, keys: (key: Uint8Array) => string): void {
    const { trace, method } = record.call;
    // A transaction names no key of its own, and may be long.
    const isKeyless = isStream(record) || method.request === 'TxnRequest';
    if (!(trace instanceof RecordedTrace) || isKeyless) return;
    const { key } = describeRequest(method.request, message, keys);
    if (typeof key === 'string') trace.key = key;
  }

  /** A call has ended. */
  ended(record: CallRecord): void {
    const { trace } = record.call;
    if (trace instanceof RecordedTrace) this.#options.onSpan(trace.spanOf(record));
  }

  /** Notes why the proxy rejects a call, before its end. */
  rejected(record: CallRecord, reason: string): void {
    const { trace } = record.call;
    if (trace instanceof RecordedTrace) trace.rejection = reason;
  }

  #mayRecord(tokens: TokenBucket, nowMs: number): boolean {
    if (!tokens.has(sampledPerSecondMax, sampledPerSecondMax, nowMs)) {
      this.#options.onLimited();
      return false;
    }
    tokens.take();
    return true;
  }
}

class RecordedTrace implements CallTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly state: string;
  readonly tenant: string;
  /** The name of the refusal, if the proxy has rejected the call. */
  rejection = '';
  /** In the configured form. Empty unless spans have keys. */
  key = '';
  readonly #options: TracerOptions;
  readonly #parentSpanId: string;
  readonly #startMs: number;

  constructor(options: TracerOptions, parent: TraceContext | null, tenant: string) {
    this.#options = options;
    this.tenant = tenant;
    this.traceId = parent?.traceId ?? options.ids.traceId();
    this.spanId = options.ids.spanId();
    this.state = parent?.state ?? '';
    this.#parentSpanId = parent?.spanId ?? '';
    this.#startMs = options.clock.epochMs();
  }

  attempt(method: Method, endpoint: string): AttemptTrace {
    return new RecordedAttempt(this.#options, this, method, endpoint);
  }

  spanOf(record: CallRecord): Span {
    const { call, code, text, durationMs } = record;
    const { method } = call;
    const isError = isErrorOf('server', code);
    return {
      name: `${method.service}/${method.rpc}`,
      kind: 'server',
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: this.#parentSpanId,
      isParentRemote: true,
      state: this.state,
      startMs: this.#startMs,
      durationMs,
      isError,
      text: isError ? text : '',
      attributes: {
        ...rpcAttributes(method, code),
        'etcd_bulkhead.tenant': this.tenant,
        'etcd_bulkhead.listener': call.peer.listener,
        ...(call.peer.remote !== '' && { 'network.peer.address': call.peer.remote }),
        ...(this.rejection !== '' && { 'etcd_bulkhead.rejection': this.rejection }),
        ...(record.isCancelled && { 'etcd_bulkhead.cancelled': true }),
        'etcd_bulkhead.request_messages': record.requestMessages,
        'etcd_bulkhead.request_bytes': record.requestBytes,
        'etcd_bulkhead.response_messages': record.responseMessages,
        'etcd_bulkhead.response_bytes': record.responseBytes,
        ...(this.key !== '' && { 'etcd_bulkhead.key': this.key }),
      },
    };
  }
}

/** An attempt of a call that is sampled. Its span is the parent of the spans of etcd. */
class RecordedAttempt implements AttemptTrace {
  readonly metadata: Metadata;
  readonly #options: TracerOptions;
  readonly #trace: RecordedTrace;
  readonly #method: Method;
  readonly #endpoint: string;
  readonly #spanId: string;
  readonly #startEpochMs: number;
  readonly #startMs: number;
  #hasEnded = false;

  constructor(options: TracerOptions, trace: RecordedTrace, method: Method, endpoint: string) {
    this.#options = options;
    this.#trace = trace;
    this.#method = method;
    this.#endpoint = endpoint;
    this.#spanId = options.ids.spanId();
    this.#startEpochMs = options.clock.epochMs();
    this.#startMs = options.clock.nowMs();
    this.metadata = contextMetadata(trace.traceId, this.#spanId, true, trace.state);
  }

  end({ code, text, origin }: Status): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const method = this.#method;
    const isError = isErrorOf('client', code);
    this.#options.onSpan({
      name: `${method.service}/${method.rpc}`,
      kind: 'client',
      traceId: this.#trace.traceId,
      spanId: this.#spanId,
      parentSpanId: this.#trace.spanId,
      isParentRemote: false,
      state: this.#trace.state,
      startMs: this.#startEpochMs,
      durationMs: this.#options.clock.nowMs() - this.#startMs,
      isError,
      text: isError ? text : '',
      attributes: {
        ...rpcAttributes(method, code),
        'server.address': this.#endpoint,
        'etcd_bulkhead.tenant': this.#trace.tenant,
        'etcd_bulkhead.origin': origin,
      },
    });
  }
}

/** The trace of a client that is not recorded here. */
class PassedTrace implements CallTrace, AttemptTrace {
  readonly metadata: Metadata;

  constructor({ traceId, spanId, isSampled, state }: TraceContext) {
    this.metadata = contextMetadata(traceId, spanId, isSampled, state);
  }

  attempt(): AttemptTrace {
    return this;
  }

  end(): void {}
}
