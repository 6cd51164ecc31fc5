/**
 * Sends spans to a collector with OTLP over HTTP, as JSON. Connections, retries and the standard variables for headers, certificates
 * and compression (OTEL_EXPORTER_OTLP_…) are those of OpenTelemetry's library. Spans are converted only here, a batch at a time.
 */
import { hostname } from 'node:os';
import { type SpanContext, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { version } from '../version.ts';
import type { Span } from './span.ts';
import type { SpanExporter } from './span-queue.ts';

type LibrarySpan = Parameters<OTLPTraceExporter['export']>[0][number];

/** With the retries of the library. */
const exportMsMax = 5_000;
const scope = { name: 'etcd-bulkhead', version };

export class OtlpExporter implements SpanExporter {
  readonly #exporter: OTLPTraceExporter;
  readonly #resource = resourceFromAttributes({
    'service.name': 'etcd-bulkhead',
    'service.version': version,
    'host.name': hostname(),
    'process.pid': process.pid,
  });

  /** `url` is that of the signal, with `/v1/traces`. */
  constructor(url: string) {
    this.#exporter = new OTLPTraceExporter({
      url,
      timeoutMillis: exportMsMax,
      concurrencyLimit: 1,
    });
  }

  export(spans: readonly Span[], done: (failure: string | null) => void): void {
    const converted = spans.map((span) => this.#convert(span));
    this.#exporter.export(converted, ({ code, error }) => {
      done(code === 0 ? null : (error?.message ?? 'the collector rejected the spans'));
    });
  }

  close(): void {
    // What has not been sent by now is lost.
    this.#exporter.shutdown().catch(() => {});
  }

  #convert(span: Span): LibrarySpan {
    const { traceId, spanId, parentSpanId, startMs, durationMs } = span;
    const context = contextOf(traceId, spanId, false, span.state);
    return {
      name: span.name,
      kind: span.kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT,
      spanContext: () => context,
      ...(parentSpanId !== '' && {
        parentSpanContext: contextOf(traceId, parentSpanId, span.isParentRemote, ''),
      }),
      startTime: hrTime(startMs),
      endTime: hrTime(startMs + durationMs),
      duration: hrTime(durationMs),
      status: span.isError
        ? { code: SpanStatusCode.ERROR, message: span.text }
        : { code: SpanStatusCode.UNSET },
      attributes: span.attributes,
      links: [],
      events: [],
      ended: true,
      resource: this.#resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function contextOf(traceId: string, spanId: string, isRemote: boolean, state: string): SpanContext {
  return {
    traceId,
    spanId,
    isRemote,
    traceFlags: TraceFlags.SAMPLED,
    ...(state !== '' && { traceState: new PassedState(state) }),
  };
}

/** `tracestate` as the client has sent it. The exporter only serializes it. */
class PassedState {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  serialize(): string {
    return this.#text;
  }

  get(): undefined {
    return undefined;
  }

  set(): this {
    return this;
  }

  unset(): this {
    return this;
  }
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
