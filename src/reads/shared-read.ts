/**
 * One read at etcd for any number of callers. Each caller has its own deadline and cancels for itself; the read is cancelled
 * when the last caller leaves. The read has the deadline of the caller that started it. If that passes first, the read is
 * sent again for the callers that still wait, unless they already have the response and only its status is missing.
 */
import {
  type Call,
  type Etcd,
  type FaultHandler,
  type Message,
  type OwnedMessage,
  ownedCopy,
  type Responses,
} from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import { Deadline, type Deadlines } from '../runtime/deadlines.ts';

const noHead = new Uint8Array(0);

/** What all shared reads have in common. */
export interface SharedReadContext {
  readonly next: Etcd<'tenant'>;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export class SharedRead implements Responses<'tenant'>, FaultHandler {
  readonly context: SharedReadContext;
  readonly #reads: Map<string, SharedRead>;
  readonly #key: string;
  readonly #request: Message<'tenant'>;
  #callers: Caller[] = [];
  #handle: CallHandle = endedCall;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #isEnded = false;
  /** Callers have the response, so the read is not sent again. */
  #hasResponse = false;
  #attempts = 0;

  /** Other callers find the read in `reads` under `key`, as long as it can be joined. */
  constructor(
    context: SharedReadContext,
    reads: Map<string, SharedRead>,
    key: string,
    request: Message<'tenant'>,
  ) {
    this.context = context;
    this.#reads = reads;
    this.#key = key;
    this.#request = request;
  }

  get callers(): number {
    return this.#callers.length;
  }

  join(call: Call, responses: Responses<'tenant'>): CallHandle {
    const caller = new Caller(this, call, responses);
    this.#callers.push(caller);
    // The deadline of the first caller is that of the read, and the guard watches it.
    if (this.#callers.length > 1) this.context.deadlines.add(caller, call.deadlineMs);
    return caller;
  }

  /** Sends the read with the deadline of its first caller. */
  start(): void {
    const [first] = this.#callers;
    if (first === undefined) return;
    const call = first.call.derive(first.call.method);
    call.faultHandler = this;
    this.context.deadlines.remove(first);
    this.#deadlineMs = call.deadlineMs;
    this.#isEnded = false;
    this.#attempts += 1;
    const attempt = this.#attempts;
    const handle = this.context.next.unary(call, this.#request, this);
    // It may have ended meanwhile, and another attempt may have taken its place.
    if (attempt !== this.#attempts) return;
    this.#handle = handle;
    if (this.#callers.length === 0) handle.cancel();
  }

  leave(caller: Caller): void {
    const index = this.#callers.indexOf(caller);
    if (index < 0) return;
    this.#callers.splice(index, 1);
    if (this.#callers.length > 0 || this.#isEnded) return;
    this.#end();
    this.#handle.cancel();
  }

  deliver(message: OwnedMessage<'tenant'>): void {
    this.#close();
    this.#hasResponse = true;
    const [first] = this.#callers;
    if (this.#callers.length === 1) first?.deliver(message);
    // A copy: a caller may leave while it receives the response.
    else for (const caller of [...this.#callers]) caller.deliverShared(message);
  }

  deliverShared(head: Uint8Array, tail: Message<'tenant'>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(status: Status): void {
    this.#end();
    const waiting = this.#callersBeyond(status);
    const ended = waiting.length === 0 ? this.#callers : this.#callers.filter(isNotIn(waiting));
    this.#callers = waiting;
    for (const caller of ended) caller.end(status);
    if (this.#callers.length === 0) return;
    if (this.#hasResponse) this.#endAll(refusal('upstream-lost'));
    else this.#restart();
  }

  /** A bug below ends the call of every caller. */
  onFault(error: unknown): void {
    this.#end();
    const callers = this.#callers;
    this.#callers = [];
    this.#handle.cancel();
    for (const caller of callers) caller.fault(error);
  }

  // A unary call has one message in each direction: there is nothing to pause.
  pauseRequests(): void {}

  resumeRequests(): void {}

  /** Callers that are not affected by `status`, because it only says that the deadline of the read has passed. */
  #callersBeyond({ code }: Status): Caller[] {
    const nowMs = this.context.clock.nowMs();
    if (code !== Code.DEADLINE_EXCEEDED || nowMs < this.#deadlineMs) return [];
    return this.#callers.filter(({ call }) => call.deadlineMs > nowMs);
  }

  #endAll(status: Status): void {
    const callers = this.#callers;
    this.#callers = [];
    for (const caller of callers) caller.end(status);
  }

  #restart(): void {
    if (!this.#reads.has(this.#key)) this.#reads.set(this.#key, this);
    this.start();
  }

  /** No caller may join any more. */
  #close(): void {
    if (this.#reads.get(this.#key) === this) this.#reads.delete(this.#key);
  }

  #end(): void {
    this.#isEnded = true;
    this.#close();
  }
}

function isNotIn(callers: readonly Caller[]): (caller: Caller) => boolean {
  return (caller) => !callers.includes(caller);
}

/** One caller of a shared read. */
class Caller extends Deadline implements CallHandle {
  readonly call: Call;
  readonly #read: SharedRead;
  readonly #above: Responses<'tenant'>;
  #isEnded = false;

  constructor(read: SharedRead, call: Call, above: Responses<'tenant'>) {
    super();
    this.#read = read;
    this.call = call;
    this.#above = above;
  }

  deliver(message: OwnedMessage<'tenant'>): void {
    if (this.#isEnded) return;
    try {
      this.#above.deliver(message);
    } catch (error) {
      this.call.fault(error);
    }
  }

  deliverShared(message: Message<'tenant'>): void {
    if (this.#isEnded) return;
    try {
      this.#above.deliverShared(noHead, message);
    } catch (error) {
      this.call.fault(error);
    }
  }

  end(status: Status): void {
    if (this.#isEnded) return;
    this.#leave();
    try {
      this.#above.end(status);
    } catch (error) {
      this.call.fault(error);
    }
  }

  fault(error: unknown): void {
    if (this.#isEnded) return;
    this.#leave();
    this.call.fault(error);
  }

  cancel(): void {
    if (this.#isEnded) return;
    this.#leave();
    this.#read.leave(this);
  }

  override onDeadline(): void {
    if (this.#isEnded) return;
    this.#read.leave(this);
    this.end(refusal('deadline-passed'));
  }

  pauseResponses(): void {}

  resumeResponses(): void {}

  #leave(): void {
    this.#isEnded = true;
    this.#read.context.deadlines.remove(this);
  }
}
