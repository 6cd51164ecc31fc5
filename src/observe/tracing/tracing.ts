/**
 * Tracing as a whole: the tracer, the queue of its spans and the exporter. This file and the library behind it are loaded only if a
 * collector is configured.
 */
import type { Call } from '../../call/call.ts';
import type { CallTrace } from '../../call/trace.ts';
import type { TracingConfig } from '../../config/sections/tracing.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type CallEvents, noCallEvents } from '../events.ts';
import type { KeyText } from '../key-text.ts';
import type { Logger } from '../logger.ts';
import { Throttle } from '../throttle.ts';
import { OtlpExporter } from './otlp-exporter.ts';
import { SpanQueue } from './span-queue.ts';
import { TraceIds } from './trace-ids.ts';
import type { TraceUsage } from './trace-metrics.ts';
import { Tracer } from './tracer.ts';

const failureIntervalMs = 60_000;

export class Tracing {
  readonly #tracer: Tracer;
  readonly #queue: SpanQueue;
  #limited = 0;

  constructor({ url, ratio }: TracingConfig, clock: Clock, logger: Logger) {
    const failures = new Throttle(clock, failureIntervalMs);
    this.#queue = new SpanQueue({
      clock,
      exporter: new OtlpExporter(url),
      onFailure: (reason, spans) => {
        const suppressed = failures.pass('');
        if (suppressed >= 0) logger.warn('traces not exported', { url, reason, spans, suppressed });
      },
    });
    this.#tracer = new Tracer({
      clock,
      ids: new TraceIds(),
      ratio,
      onSpan: (span) => this.#queue.add(span),
      onLimited: () => {
        this.#limited += 1;
      },
    });
  }

  get usage(): TraceUsage {
    const { exported, failed, dropped, queued } = this.#queue;
    return { exported, failed, dropped, queued, limited: this.#limited };
  }

  begin(call: Call): CallTrace | null {
    return this.#tracer.begin(call);
  }

  /** Makes the spans of calls at their ends. `keys`: how spans show keys; null if they have none. */
  events(keys: KeyText): CallEvents {
    return {
      ...noCallEvents,
      request: keys && ((record, message) => this.#tracer.requested(record, message, keys)),
      ended: (record) => this.#tracer.ended(record),
      rejected: (record, reason) => this.#tracer.rejected(record, reason),
    };
  }

  /** Exports what is left, within two seconds. */
  close(): Promise<void> {
    return this.#queue.close();
  }
}
