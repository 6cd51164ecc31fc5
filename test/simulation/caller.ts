/** One unary call of a simulated client: it records what it receives, and may apply backpressure or leave. */
import type { Responses } from '../../src/call/call.ts';
import type { CallHandle } from '../../src/grpc/call.ts';
import { Code, type Status } from '../../src/grpc/status.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import type { Connection } from './connection.ts';
import type { Moment } from './observation.ts';
import type { ObservedCall } from './observed-call.ts';

export interface CallerOptions {
  readonly observed: ObservedCall;
  readonly connection: Connection;
  readonly moment: () => Moment;
  readonly onViolation: (what: string) => void;
}

export class Caller implements Responses<'tenant'> {
  readonly #options: CallerOptions;
  #handle: CallHandle | null = null;
  #isPaused = false;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  open(start: (responses: Responses<'tenant'>) => CallHandle): void {
    this.#handle = start(this);
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#options.observed.isOpen) this.#handle?.pauseResponses();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#options.observed.isOpen) this.#handle?.resumeResponses();
  }

  cancel(): void {
    const { observed, moment } = this.#options;
    if (!observed.isOpen) return;
    observed.isCancelled = true;
    observed.ended = moment();
    this.#handle?.cancel();
  }

  deliver(message: Uint8Array): void {
    const { observed, connection, moment, onViolation } = this.#options;
    if (!observed.isOpen || observed.response !== null) {
      onViolation('a second response to a call, or one after its end');
      return;
    }
    // A response that etcd has sent before may be in flight.
    if (this.#isPaused && observed.passed === null) onViolation('backpressure: a response');
    const reader = new Reader(message);
    let revision = 0;
    let fields = message;
    if (reader.next() && reader.field === 1) {
      const header = reader.message();
      while (header.next()) if (header.field === 3) revision = header.number();
      fields = message.subarray(reader.fieldEnd);
    } else onViolation('a response without a header');
    observed.response = { moment: moment(), revision, fields: Uint8Array.from(fields) };
    connection.note(revision);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  end(ended: Status): void {
    const { observed, moment, onViolation } = this.#options;
    if (!observed.isOpen) onViolation('a call ended after its end');
    if (ended.code === Code.OK && observed.response === null)
      onViolation('an end without response');
    observed.status = ended;
    observed.ended = moment();
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
}
