/**
 * The caller above the code under test. It records what it receives and throws on every event after the end. It accepts
 * messages of every key space, so it fits above every layer and every transport.
 */
import type { ResponseSink } from '../../src/grpc/call.ts';
import { Code, type Status } from '../../src/grpc/status.ts';
import { until } from './until.ts';

export class Caller implements ResponseSink {
  /** A shared message is recorded as one piece: its head, then its tail. */
  readonly messages: Uint8Array[] = [];
  /** The tails of the messages that came shared. */
  readonly sharedTails: Uint8Array[] = [];
  /** Called with each message, before `deliver` returns. */
  onMessage: ((message: Uint8Array) => void) | null = null;
  status: Status | null = null;
  isPaused = false;
  pauses = 0;
  resumes = 0;

  deliver(message: Uint8Array): void {
    this.#mustBeOpen('deliver');
    this.messages.push(message);
    this.onMessage?.(message);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.sharedTails.push(tail);
    this.deliver(Buffer.concat([head, tail]));
  }

  end(status: Status): void {
    this.#mustBeOpen('end');
    this.status = status;
  }

  pauseRequests(): void {
    this.#mustBeOpen('pauseRequests');
    this.isPaused = true;
    this.pauses += 1;
  }

  resumeRequests(): void {
    this.#mustBeOpen('resumeRequests');
    this.isPaused = false;
    this.resumes += 1;
  }

  /** The messages, for those that are text. */
  get texts(): string[] {
    return this.messages.map((message) => Buffer.from(message).toString());
  }

  get code(): number | undefined {
    return this.status?.code;
  }

  get text(): string | undefined {
    return this.status?.text;
  }

  get isOk(): boolean {
    return this.code === Code.OK;
  }

  /** Resolves with the status when the call has ended. */
  async ended(): Promise<Status> {
    await until('the end of the call', () => this.status !== null);
    return this.status as Status;
  }

  #mustBeOpen(event: string): void {
    if (this.status !== null) throw new Error(`${event} after the end`);
  }
}
