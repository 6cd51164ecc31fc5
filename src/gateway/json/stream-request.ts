/**
 * A JSON request for a method that streams in both directions. The body is any number of JSON values, one after another; each
 * is sent when it is complete. The end of the body ends the requests, not the responses.
 *
 *   reading the first message ─complete─▶ streaming ─body ends, or a value is not valid─▶ responses only ─end()─▶ ended
 */
import { builtMessage, type Requests } from '../../call/call.ts';
import { type RefusalName, refusal } from '../../call/refusals.ts';
import { type Status, status } from '../../grpc/status.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import type { BodySink } from '../exchange.ts';
import { Body } from './body.ts';
import { bodyBytesMax, bodyTimeoutMs, callOf, type JsonContext } from './context.ts';
import { readMessage } from './message-reader.ts';
import { ResponseStream } from './response-stream.ts';
import { tooLarge } from './responses.ts';
import { ValueScanner } from './value-scanner.ts';

export class StreamRequest implements BodySink {
  readonly #context: JsonContext;
  readonly #body: Body;
  readonly #responses: ResponseStream;
  readonly #scanner = new ValueScanner();
  readonly #cancelTimer: CancelTimer;
  #requests: Requests<'client'> | null = null;
  /** How much of the body the scanner has seen. */
  #scanned = 0;
  #hasHalfClosed = false;

  constructor(context: JsonContext) {
    const { parts, account } = context;
    this.#context = context;
    this.#body = new Body(account, () => this.#reject('message-memory', parts.memory.refusal));
    this.#responses = new ResponseStream(context, () => this.#release());
    this.#cancelTimer = parts.clock.after(bodyTimeoutMs, () =>
      this.#reject('body-timeout', refusal('body-timeout')),
    );
  }

  onBody(bytes: Buffer): void {
    if (this.#isOver) return;
    const { parts } = this.#context;
    this.#body.append(bytes);
    this.#readValues();
    if (this.#isOver || this.#body.length <= bodyBytesMax(parts)) return;
    this.#reject('message-too-large', tooLarge(this.#body.length, parts.messageBytesMax));
  }

  onBodyEnd(): void {
    if (this.#isOver) return;
    const scanner = this.#scanner;
    if (!scanner.isEmpty) {
      if (!scanner.isComplete) {
        this.#invalid('unexpected EOF');
        return;
      }
      if (!this.#send(this.#body.length)) return;
    }
    this.#halfClose();
  }

  get #isOver(): boolean {
    return this.#hasHalfClosed || this.#responses.hasEnded;
  }

  #readValues(): void {
    while (!this.#isOver) {
      const { content } = this.#body;
      const end = this.#scanner.scan(content, this.#scanned, content.length);
      if (this.#scanner.error !== null) {
        this.#invalid(this.#scanner.error);
        return;
      }
      if (end < 0) {
        // Spaces between values.
        if (this.#scanner.isEmpty) this.#body.drop(content.length);
        this.#scanned = this.#body.length;
        return;
      }
      if (!this.#send(end)) return;
      this.#body.drop(end);
      this.#scanned = 0;
      this.#scanner.reset();
    }
  }

  /** Sends the value that ends at `end`. Returns false if it is not a valid message. */
  #send(end: number): boolean {
    const { parts } = this.#context;
    const message = readMessage(this.#context, this.#body.content.subarray(0, end));
    if (typeof message === 'string') {
      this.#invalid(message);
      return false;
    }
    if (message.length > parts.messageBytesMax) {
      this.#reject('message-too-large', tooLarge(message.length, parts.messageBytesMax));
      return false;
    }
    this.#open().send(builtMessage(message));
    return !this.#isOver;
  }

  /** The first value decides about an error. A later one only ends the requests, as in etcd. */
  #invalid(text: string): void {
    const { firstMessageCode } = this.#context.dialect;
    this.#context.parts.onRejected('malformed');
    if (this.#requests === null && firstMessageCode !== null) {
      this.#responses.refuse(status(firstMessageCode, text));
    } else this.#halfClose();
  }

  #open(): Requests<'client'> {
    if (this.#requests !== null) return this.#requests;
    this.#cancelTimer();
    const { etcd } = this.#context.parts;
    const requests = etcd.stream(callOf(this.#context), this.#responses);
    this.#requests = requests;
    this.#responses.attach(requests);
    return requests;
  }

  #halfClose(): void {
    this.#hasHalfClosed = true;
    this.#body.clear();
    const requests = this.#open();
    if (!this.#responses.hasEnded) requests.halfClose();
  }

  /** Ends the call and the response. */
  #reject(reason: RefusalName, ended: Status): void {
    this.#context.parts.onRejected(reason);
    if (this.#requests === null) this.#responses.refuse(ended);
    else this.#responses.abort(ended);
  }

  #release(): void {
    this.#cancelTimer();
    this.#body.clear();
  }
}
