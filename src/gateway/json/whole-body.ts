/** The body of a request for one message, limited in size and time. */
import { type RefusalName, refusal } from '../../call/refusals.ts';
import type { Status } from '../../grpc/status.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import { asOwned } from '../../runtime/owned-bytes.ts';
import { Body } from './body.ts';
import { bodyBytesMax, bodyTimeoutMs, type JsonContext } from './context.ts';
import { readMessage } from './message-reader.ts';
import { invalidArgument, tooLarge } from './responses.ts';
import { ValueScanner } from './value-scanner.ts';

export class WholeBody {
  readonly #context: JsonContext;
  readonly #onRefused: (status: Status) => void;
  readonly #body: Body;
  readonly #cancelTimer: CancelTimer;

  /** `onRefused` is called if the body is too large or takes too long, and for bodies that are not valid. */
  constructor(context: JsonContext, onRefused: (status: Status) => void) {
    const { parts, account } = context;
    this.#context = context;
    this.#onRefused = onRefused;
    this.#body = new Body(account, () => this.#reject('message-memory', parts.memory.refusal));
    this.#cancelTimer = parts.clock.after(bodyTimeoutMs, () => this.#reject('body-timeout'));
  }

  append(bytes: Buffer): void {
    const { parts } = this.#context;
    const length = this.#body.length + bytes.length;
    const { messageBytesMax } = parts;
    if (length > bodyBytesMax(parts)) {
      this.#reject('message-too-large', tooLarge(length, messageBytesMax));
    } else this.#body.append(bytes);
  }

  /** The message, or null if it was refused. Nothing is refused after it was returned. */
  message(): OwnedBytes | null {
    const message = this.#decode();
    if (message === null) return null;
    // A stream has sent its message. The message of a unary call is in use until the call has ended.
    if (this.#context.method.responseStream) this.#body.clear();
    else this.#body.used(message.buffer.byteLength);
    return message;
  }

  #decode(): OwnedBytes | null {
    this.#cancelTimer();
    const { content } = this.#body;
    const scanner = new ValueScanner();
    const end = scanner.scan(content, 0, content.length);
    const { parts } = this.#context;
    let error = scanner.error;
    if (error === null && end < 0) {
      if (scanner.isEmpty) return asOwned(Buffer.alloc(0));
      if (!scanner.isComplete) error = 'unexpected EOF';
    }
    const message =
      error ?? readMessage(this.#context, end < 0 ? content : content.subarray(0, end));
    if (typeof message === 'string') {
      this.#reject('malformed', invalidArgument({ text: message }));
      return null;
    }
    if (message.length > parts.messageBytesMax) {
      this.#reject('message-too-large', tooLarge(message.length, parts.messageBytesMax));
      return null;
    }
    return message;
  }

  #reject(reason: RefusalName, status: Status = refusal(reason)): void {
    this.#context.parts.onRejected(reason);
    this.#onRefused(status);
  }

  /** Frees its memory. */
  close(): void {
    this.#cancelTimer();
    this.#body.clear();
  }
}
