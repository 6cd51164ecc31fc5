/** A unary call under guard. It has one message per direction, so it ignores backpressure. */
import type { Call, Etcd, Message, Responses } from '../call/call.ts';
import type { CallHandle } from '../grpc/call.ts';
import { GuardedCall, type GuardParts } from './guarded-call.ts';

export class GuardedUnary extends GuardedCall<CallHandle> implements CallHandle {
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

  override pauseRequests(): void {}
  override resumeRequests(): void {}
  pauseResponses(): void {}
  resumeResponses(): void {}

  protected override startAttempt(): CallHandle {
    return this.next.unary(this.call, this.#request, this);
  }

  protected override onStarted(): void {}

  protected override get canResend(): boolean {
    return true;
  }

  protected override get isQueued(): boolean {
    return !this.call.method.waits;
  }

  protected override get requestBytes(): number {
    return this.#request.length;
  }
}
