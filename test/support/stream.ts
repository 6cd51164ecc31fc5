/**
 * A bidirectional stream as a test drives it: send, wait for the next answer, wait for the end. Every wait is bounded and
 * says what it waited for. Answers queue until they are asked for; none is dropped.
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
      // The library tells the status as soon as it is there, before answers that a paused reader has not taken.
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

  /** Stops reading, so that what the server sends piles up on its side. */
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

  /** The next answer. Rejects when the stream ends before, or when none comes in time. */
  async next(withinMs = nextWithinMs): Promise<Response> {
    await this.#changed.until(
      'response',
      () => this.#queue.length > 0 || this.#status !== null,
      withinMs,
    );
    const response = this.#queue.shift();
    if (response !== undefined) return response;
    throw new Error(
      `the stream ended with ${this.#status?.code} ${this.#status?.details} instead of an answer`,
    );
  }

  /** How the stream ended. Rejects when it does not in time. Answers that are still queued stay there. */
  async ended(withinMs = nextWithinMs): Promise<Ended> {
    await this.#changed.until('end', () => this.#status !== null, withinMs);
    if (this.#status === null) throw new Error('unreachable');
    return this.#status;
  }

  /** Whatever arrives, or has arrived, within the given time. Usually compared with nothing. */
  async drain(forMs: number): Promise<Response[]> {
    await sleep(forMs);
    return this.#queue.splice(0);
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
  }
}
