/**
 * Forwarding, written once. A layer that observes or changes part of a call extends one of these classes and overrides what
 * differs. They enforce that a call ends once: after its end nothing passes in either direction.
 *
 *   ResponseLayer        responses; subclasses convert messages between two spaces
 *   ├ ForwardingResponses   … within one space
 *   └ UnaryLayer         responses and the handle of a unary call
 *     └ CallLayer        both directions of any call
 *       └ ForwardingCall    … within one space
 *
 * One object serves both directions, because an object per direction is a measurable cost on the unary path.
 */
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import {
  type Call,
  type Etcd,
  type Message,
  type OwnedMessage,
  ownedCopy,
  type Requests,
  type Responses,
  type Space,
} from './call.ts';

/**
 * Null in production. Tests set `onViolation`, so that a layer that calls a response sink after the end of its call fails
 * the test that caused it.
 */
export const contractChecks: { onViolation: ((what: string) => void) | null } = {
  onViolation: null,
};

/** The base of a layer that handles some calls itself. All others pass to the layer below. */
export class ForwardingEtcd<S extends Space> implements Etcd<S> {
  readonly #next: Etcd<S>;

  constructor(next: Etcd<S>) {
    this.#next = next;
  }

  unary(call: Call, request: Message<S>, responses: Responses<S>): CallHandle {
    return this.#next.unary(call, request, responses);
  }

  stream(call: Call, responses: Responses<S>): Requests<S> {
    return this.#next.stream(call, responses);
  }
}

export abstract class ResponseLayer<Below extends Space, Above extends Space>
  implements Responses<Below>
{
  /** Set before the last event leaves, so that a re-entrant call finds it set. */
  isEnded = false;
  protected readonly above: Responses<Above>;

  constructor(above: Responses<Above>) {
    this.above = above;
  }

  abstract deliver(message: OwnedMessage<Below>): void;

  /** A layer that converts messages works on a copy of a shared one. */
  deliverShared(head: Uint8Array, tail: Message<Below>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(status: Status): void {
    if (this.isEnded) {
      this.reportViolation('a second end');
      return;
    }
    this.isEnded = true;
    this.above.end(status);
  }

  pauseRequests(): void {
    if (!this.isEnded) this.above.pauseRequests();
  }

  resumeRequests(): void {
    if (!this.isEnded) this.above.resumeRequests();
  }

  protected reportViolation(what: string): void {
    contractChecks.onViolation?.(what);
  }
}

export class ForwardingResponses<S extends Space> extends ResponseLayer<S, S> {
  override deliver(message: OwnedMessage<S>): void {
    if (this.isEnded) this.reportViolation('a message after the end');
    else this.above.deliver(message);
  }

  override deliverShared(head: Uint8Array, tail: Message<S>): void {
    if (this.isEnded) this.reportViolation('a message after the end');
    else this.above.deliverShared(head, tail);
  }
}

export abstract class UnaryLayer<Below extends Space, Above extends Space>
  extends ResponseLayer<Below, Above>
  implements CallHandle
{
  /** `endedCall` until the layer below has returned: responses may arrive before that. */
  protected handle: CallHandle = endedCall;
  #isAborted = false;

  /** Takes what the layer below returned. The call may have been aborted while it was being started. */
  attach(handle: CallHandle): void {
    this.handle = handle;
    if (this.#isAborted) handle.cancel();
  }

  /** Ends the call from this layer, in both directions. */
  abort(status: Status): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#isAborted = true;
    this.handle.cancel();
    this.above.end(status);
  }

  cancel(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.handle.cancel();
  }

  pauseResponses(): void {
    if (!this.isEnded) this.handle.pauseResponses();
  }

  resumeResponses(): void {
    if (!this.isEnded) this.handle.resumeResponses();
  }

  /** A layer below that has not returned yet cannot have been cancelled, so its events do not violate the contract. */
  protected override reportViolation(what: string): void {
    if (!(this.#isAborted && this.handle === endedCall)) super.reportViolation(what);
  }
}

export abstract class CallLayer<Above extends Space, Below extends Space>
  extends UnaryLayer<Below, Above>
  implements Requests<Above>
{
  /** The same object as `handle` for streams, and `endedCall` for unary calls. */
  protected requests: Requests<Below> = endedCall;

  attachStream(requests: Requests<Below>): void {
    this.requests = requests;
    this.attach(requests);
  }

  abstract send(message: Message<Above>): void;

  halfClose(): void {
    if (!this.isEnded) this.requests.halfClose();
  }
}

export class ForwardingCall<S extends Space> extends CallLayer<S, S> {
  override send(message: Message<S>): void {
    if (!this.isEnded) this.requests.send(message);
  }

  override deliver(message: OwnedMessage<S>): void {
    if (this.isEnded) this.reportViolation('a message after the end');
    else this.above.deliver(message);
  }

  override deliverShared(head: Uint8Array, tail: Message<S>): void {
    if (this.isEnded) this.reportViolation('a message after the end');
    else this.above.deliverShared(head, tail);
  }
}
