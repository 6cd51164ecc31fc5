/**
 * The outermost layer. Whatever is thrown below it ends the call it was thrown for with one Internal status, is reported
 * once, and affects no other call. A thrown error is always a bug of the proxy, because refusals are values. The layer
 * catches what its caller causes; code that sockets, timers and promises enter directly passes errors to `call.fault`.
 */
import type { CallHandle } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type {
  Call,
  Etcd,
  FaultHandler,
  Layer,
  Message,
  OwnedMessage,
  Requests,
  Responses,
} from './call.ts';
import { ForwardingCall } from './forwarding.ts';
import { type RefusalName, refusal } from './refusals.ts';

/** Neither may throw. */
export interface RescueOptions {
  /** Receives every fault, for the log. A call may have several. */
  readonly onFault: (call: Call, error: unknown) => void;
  /** Called for every call that a fault ends, because the observe layer is below and does not see its status. */
  readonly onRejected: ((call: Call, reason: RefusalName) => void) | null;
}

export function rescue(options: RescueOptions): Layer<'client'> {
  return (next) => new Rescue(next, options);
}

class Rescue implements Etcd<'client'> {
  readonly #next: Etcd<'client'>;
  readonly #options: RescueOptions;

  constructor(next: Etcd<'client'>, options: RescueOptions) {
    this.#next = next;
    this.#options = options;
  }

  unary(call: Call, request: Message<'client'>, responses: Responses<'client'>): CallHandle {
    const rescued = new RescuedCall(call, responses, this.#options);
    try {
      rescued.attach(this.#next.unary(call, request, rescued));
    } catch (error) {
      rescued.onFault(error);
    }
    return rescued;
  }

  stream(call: Call, responses: Responses<'client'>): Requests<'client'> {
    const rescued = new RescuedCall(call, responses, this.#options);
    try {
      rescued.attachStream(this.#next.stream(call, rescued));
    } catch (error) {
      rescued.onFault(error);
    }
    return rescued;
  }
}

/** Layers below may be faulty here, so events after the end are dropped and not reported as violations. */
class RescuedCall extends ForwardingCall<'client'> implements FaultHandler {
  readonly #call: Call;
  readonly #options: RescueOptions;

  constructor(call: Call, above: Responses<'client'>, options: RescueOptions) {
    super(above);
    this.#call = call;
    this.#options = options;
    call.faultHandler = this;
  }

  /** A fault may have ended the call while it was being started. */
  override attach(handle: CallHandle): void {
    this.handle = handle;
    if (this.isEnded) this.#cancelBelow();
  }

  onFault(error: unknown): void {
    this.#options.onFault(this.#call, error);
    if (this.isEnded) return;
    this.isEnded = true;
    this.#cancelBelow();
    this.#options.onRejected?.(this.#call, 'proxy-fault');
    this.above.end(refusal('proxy-fault'));
  }

  override deliver(message: OwnedMessage<'client'>): void {
    if (!this.isEnded) this.above.deliver(message);
  }

  override deliverShared(head: Uint8Array, tail: Message<'client'>): void {
    if (!this.isEnded) this.above.deliverShared(head, tail);
  }

  override end(status: Status): void {
    if (!this.isEnded) super.end(status);
  }

  override send(message: Message<'client'>): void {
    try {
      super.send(message);
    } catch (error) {
      this.onFault(error);
    }
  }

  override halfClose(): void {
    try {
      super.halfClose();
    } catch (error) {
      this.onFault(error);
    }
  }

  override cancel(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#cancelBelow();
  }

  override pauseResponses(): void {
    try {
      super.pauseResponses();
    } catch (error) {
      this.onFault(error);
    }
  }

  override resumeResponses(): void {
    try {
      super.resumeResponses();
    } catch (error) {
      this.onFault(error);
    }
  }

  #cancelBelow(): void {
    try {
      this.handle.cancel();
    } catch (error) {
      this.#options.onFault(this.#call, error);
    }
  }
}
