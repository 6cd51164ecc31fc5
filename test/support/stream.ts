/**
 * A bidirectional stream as a test drives it: send, wait for the next response, wait for the end. Every wait is
 * bounded, and its error names what it waited for. Responses are queued until they are read; none is dropped.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDuplexStream, Metadata, StatusObject } from '@grpc/grpc-js';
import { Condition } from './until.ts';

const nextWithinMs = 10_000;

export interface Ended {
  readonly code: number;
  readonly details: string;
  readonly trailers: Metadata;
}

export class Stream<Request, Response> implements Disposable {
  readonly #call: ClientDuplexStream<Request, Response>;
  readonly #queue: Response[] = [];
  #status: Ended | null = null;
  readonly #changed = new Condition();

  constructor(call: ClientDuplexStream<Request, Response>) {
    this.#call = call;
    call.on('data', (response: Response) => {
      this.#queue.push(response);
      this.#changed.notify();
    });
    call.on('status', ({ code, details, metadata }: StatusObject) => {
      const settle = () => {
        this.#status = { code, details, trailers: metadata };
        this.#changed.notify();
      };
      // The library reports the status as soon as it has it, before responses that a paused reader has not read.
      if (call.readableLength === 0) settle();
      else call.once('end', settle);
    });
    // The status says the same.
    call.on('error', () => {});
  }

  send(request: Request): void {
    this.#call.write(request);
  }

  /** Half-close. */
  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Stops reading, so that responses queue up at the server. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Response headers. */
  async headers(): Promise<Metadata> {
    const [metadata] = (await once(this.#call, 'metadata')) as [Metadata];
    return metadata;
  }

  /** The next response. Rejects if the stream ends first, or if none arrives in time. */
  async next(withinMs = nextWithinMs): Promise<Response> {
    await this.#changed.until(
      'response',
      () => this.#queue.length > 0 || this.#status !== null,
      withinMs,
    );
    const response = this.#queue.shift();
    if (response !== undefined) return response;
    throw new Error(
      `the stream ended with ${this.#status?.code} ${this.#status?.details} instead of a response`,
    );
  }

  /** How the stream ended. Rejects if it does not end in time. Responses that are still queued stay queued. */
  async ended(withinMs = nextWithinMs): Promise<Ended> {
    await this.#changed.until('end', () => this.#status !== null, withinMs);
    if (this.#status === null) throw new Error('unreachable');
    return this.#status;
  }

  /** All responses that arrive, or have arrived, within the given time. Usually expected to be none. */
  async drain(forMs: number): Promise<Response[]> {
    await sleep(forMs);
    return this.#queue.splice(0);
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
  }
}
