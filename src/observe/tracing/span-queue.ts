/**
 * Spans on their way to the collector. They are exported in batches, one batch at a time. A collector that does not respond, or that is
 * slower than the calls, costs spans and nothing else: the queue is bounded, and a batch that could not be exported is lost.
 */
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import type { Span } from './span.ts';

export const queuedSpansMax = 4_096;
const batchSpansMax = 512;
/** A batch that is not full leaves this long after its first span. */
const batchDelayMs = 1_000;
/** How long `close` waits for the collector. */
export const closeMsMax = 2_000;

export interface SpanExporter {
  /** Calls back once, with the reason if the spans are lost. May throw instead. */
  export(spans: readonly Span[], done: (failure: string | null) => void): void;
  close(): void;
}

export interface SpanQueueOptions {
  readonly clock: Clock;
  readonly exporter: SpanExporter;
  /** A batch of so many spans is lost. */
  readonly onFailure: (reason: string, spans: number) => void;
}

export class SpanQueue {
  exported = 0;
  failed = 0;
  /** Not queued, because the queue was full. */
  dropped = 0;
  readonly #options: SpanQueueOptions;
  #spans: Span[] = [];
  #isExporting = false;
  #cancelTimer: CancelTimer | null = null;
  /** Set while `close` waits. */
  #onIdle: (() => void) | null = null;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#spans.length;
  }

  add(span: Span): void {
    if (this.#spans.length >= queuedSpansMax) {
      this.dropped += 1;
      return;
    }
    this.#spans.push(span);
    if (this.#spans.length >= batchSpansMax) this.#export();
    else this.#exportLater();
  }

  /** Exports what is queued, for at most `closeMsMax`. Spans that are added afterwards are lost. */
  async close(): Promise<void> {
    const { clock, exporter } = this.#options;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(closeMsMax, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
      this.#export();
    });
    this.#onIdle = null;
    this.#cancelTimer?.();
    this.#spans = [];
    exporter.close();
  }

  #exportLater(): void {
    this.#cancelTimer ??= this.#options.clock.after(batchDelayMs, () => {
      this.#cancelTimer = null;
      this.#export();
    });
  }

  #export(): void {
    if (this.#isExporting) return;
    if (this.#spans.length === 0) {
      this.#onIdle?.();
      return;
    }
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const batch = this.#spans.splice(0, batchSpansMax);
    this.#isExporting = true;
    let isDone = false;
    const done = (failure: string | null): void => {
      if (isDone) return;
      isDone = true;
      this.#onDone(batch.length, failure);
    };
    try {
      this.#options.exporter.export(batch, done);
    } catch (error) {
      done(error instanceof Error ? error.message : String(error));
    }
  }

  #onDone(spans: number, failure: string | null): void {
    this.#isExporting = false;
    if (failure === null) this.exported += spans;
    else {
      this.failed += spans;
      this.#options.onFailure(failure, spans);
    }
    const isClosing = this.#onIdle !== null;
    if (isClosing || this.#spans.length >= batchSpansMax) this.#export();
    else if (this.#spans.length > 0) this.#exportLater();
  }
}
