/**
 * A unary call under guard. One object: the response sink of each attempt and the handle of the layer above. With one message
 * each way there is nothing to pause.
 */
import type { Call, Etcd, Message, OwnedMessage, Responses } from '../call/call.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import { GuardedCall, type GuardParts } from './guarded-call.ts';

export class GuardedUnary
  extends GuardedCall<CallHandle>
  implements Responses<'store'>, CallHandle
{
  readonly #request: Message<'store'>;

  constructor(
    parts: GuardParts,
    next: Etcd<'store'>,
    call: Call,
    request: Message<'store'>,
    above: Responses<'store'>,
  ) {
    super(parts, next, call, above);
    this.#request = request;
  }

  deliver(message: OwnedMessage<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.onResponse();
      this.above.deliver(message);
    } catch (error) {
      this.call.fault(error);
    }
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.onResponse();
      this.above.deliverShared(head, tail);
    } catch (error) {
      this.call.fault(error);
    }
  }

  end(status: Status): void {
    try {
      this.onEnd(status);
    } catch (error) {
      this.call.fault(error);
    }
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
  pauseResponses(): void {}
  resumeResponses(): void {}

  protected override startAttempt(): CallHandle {
    return this.next.unary(this.call, this.#request, this);
  }

  protected override onStarted(): void {}

  protected override get isRepeatable(): boolean {
    return true;
  }

  protected override get keptBytes(): number {
    return this.#request.length;
  }
}
