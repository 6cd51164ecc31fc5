/**
 * A unary call under guard. Its request is one message, which cannot be paused. A large response is paused below while the
 * client does not read.
 */
import type { Call, Etcd, Message, Responses } from '../call/call.ts';
import type { CallHandle } from '../grpc/call.ts';
import type { GuardParts } from './guard-parts.ts';
import { GuardedCall } from './guarded-call.ts';

export class GuardedUnary extends GuardedCall<CallHandle> implements CallHandle {
  readonly #request: Message<'store'>;
  #isPaused = false;

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

  pauseResponses(): void {
    this.#isPaused = true;
    this.below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.below?.resumeResponses();
  }

  protected override startAttempt(): CallHandle {
    return this.next.unary(this.call, this.#request, this);
  }

  protected override onStarted(below: CallHandle): void {
    if (this.#isPaused) below.pauseResponses();
  }

  protected override get isUnread(): boolean {
    return this.#isPaused;
  }

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
