/**
 * The outermost layer: whatever is thrown below it ends the call it was thrown for with one Internal status, is told to a
 * hook once, and harms no other call. What is thrown is always a mistake of ours, since refusals are values. It catches
 * what comes from above by itself; code that is entered from a socket below or by a timer hands what it catches to
 * `rescueFrom`.
 */
import type { Call, Etcd, Layer, Reply, Requests, Rescuer } from './call.ts';
import { refusal } from './refusals.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';

/** Hears of every fault, for the log and a counter. Must not throw. */
export type OnFault = (call: Call, error: unknown) => void;

export function rescue(onFault: OnFault): Layer<'client'> {
  return (next) => new Rescue(next, onFault);
}

/** Hands on what was thrown while `call` was worked on. Throws it again where nobody waits for it. */
export function rescueFrom(error: unknown, call: Call): void {
  if (call.rescuer === null) throw error;
  call.rescuer.onFault(error);
}

class Rescue implements Etcd<'client'> {
  readonly #next: Etcd<'client'>;
  readonly #onFault: OnFault;

  constructor(next: Etcd<'client'>, onFault: OnFault) {
    this.#next = next;
    this.#onFault = onFault;
  }

  unary(call: Call, request: Uint8Array, reply: Reply<'client'>): Ongoing {
    const rescued = new RescuedUnary(call, reply, this.#onFault);
    try {
      rescued.onStarted(this.#next.unary(call, request, rescued));
    } catch (error) {
      rescued.onFault(error);
    }
    return rescued;
  }

  stream(call: Call, reply: Reply<'client'>): Requests<'client'> {
    const rescued = new RescuedStream(call, reply, this.#onFault);
    try {
      rescued.onStarted(this.#next.stream(call, new Answers(rescued, reply)));
    } catch (error) {
      rescued.onFault(error);
    }
    return rescued;
  }
}

/** What both kinds of calls share. After its end nothing goes up or down any more. */
abstract class Rescued<Below extends Ongoing> implements Rescuer {
  protected readonly reply: Reply<'client'>;
  protected below: Below | null = null;
  protected isOver = false;
  /** It ended by itself, so there is nothing to cancel. */
  #isEndedBelow = false;
  readonly #call: Call;
  readonly #onFault: OnFault;

  constructor(call: Call, reply: Reply<'client'>, onFault: OnFault) {
    this.#call = call;
    this.reply = reply;
    this.#onFault = onFault;
    call.rescuer = this;
  }

  /** The call may be over by now, through an answer or a fault while it was being started. */
  onStarted(below: Below): void {
    this.below = below;
    if (this.isOver) this.#cancelBelow();
  }

  onFault(error: unknown): void {
    this.#onFault(this.#call, error);
    if (this.isOver) return;
    this.isOver = true;
    this.#cancelBelow();
    this.reply.end(refusal('proxy-fault'));
  }

  over(status: Status): void {
    this.#isEndedBelow = true;
    if (this.isOver) return;
    this.isOver = true;
    this.reply.end(status);
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#cancelBelow();
  }

  #cancelBelow(): void {
    if (this.#isEndedBelow) return;
    try {
      this.below?.cancel();
    } catch (error) {
      this.#onFault(this.#call, error);
    }
  }
}

/** One object on both ways. A single message each way leaves nothing to pause, in either sense of the word. */
class RescuedUnary extends Rescued<Ongoing> implements Reply<'client'>, Ongoing {
  message(bytes: Uint8Array): void {
    if (!this.isOver) this.reply.message(bytes);
  }

  end(status: Status): void {
    this.over(status);
  }

  pause(): void {}
  resume(): void {}
}

class RescuedStream extends Rescued<Requests<'client'>> implements Requests<'client'> {
  message(bytes: Uint8Array): void {
    try {
      this.#open.message(bytes);
    } catch (error) {
      this.onFault(error);
    }
  }

  end(): void {
    try {
      this.#open.end();
    } catch (error) {
      this.onFault(error);
    }
  }

  pause(): void {
    try {
      this.#open.pause();
    } catch (error) {
      this.onFault(error);
    }
  }

  resume(): void {
    try {
      this.#open.resume();
    } catch (error) {
      this.onFault(error);
    }
  }

  /** Whether answers still go up. */
  get isOpen(): boolean {
    return !this.isOver;
  }

  get #open(): Requests<'client'> {
    return this.isOver || this.below === null ? settled : this.below;
  }
}

/** The answers' half of a stream. */
class Answers implements Reply<'client'> {
  readonly #stream: RescuedStream;
  readonly #reply: Reply<'client'>;

  constructor(stream: RescuedStream, reply: Reply<'client'>) {
    this.#stream = stream;
    this.#reply = reply;
  }

  message(bytes: Uint8Array): void {
    if (this.#stream.isOpen) this.#reply.message(bytes);
  }

  end(status: Status): void {
    this.#stream.over(status);
  }

  pause(): void {
    if (this.#stream.isOpen) this.#reply.pause();
  }

  resume(): void {
    if (this.#stream.isOpen) this.#reply.resume();
  }
}
