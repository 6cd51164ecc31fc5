/**
 * A unary call under guard: one object, the reply of the attempt below and the ongoing call of the layer above. Single
 * messages leave nothing to pause, in either sense of the word.
 */
import type { Call, Etcd, Message, Reply } from '../call/call.ts';
import type { Ongoing } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import { GuardedCall, type GuardParts } from './guarded-call.ts';
import { rescueFrom } from '../call/rescue.ts';

export class GuardedUnary extends GuardedCall<Ongoing> implements Reply<'store'>, Ongoing {
  readonly #request: Message<'store'>;

  constructor(
    parts: GuardParts,
    next: Etcd<'store'>,
    call: Call,
    request: Message<'store'>,
    reply: Reply<'store'>,
  ) {
    super(parts, next, call, reply);
    this.#request = request;
  }

  message(bytes: Message<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.onAnswer();
      this.reply.message(bytes);
    } catch (error) {
      rescueFrom(error, this.call);
    }
  }

  end(status: Status): void {
    try {
      this.onEnd(status);
    } catch (error) {
      rescueFrom(error, this.call);
    }
  }

  pause(): void {}
  resume(): void {}

  protected override send(): Ongoing {
    return this.next.unary(this.call, this.#request, this);
  }

  protected override onSent(): void {}

  protected override get isRepeatable(): boolean {
    return true;
  }

  protected override get keptBytes(): number {
    return this.#request.length;
  }
}
