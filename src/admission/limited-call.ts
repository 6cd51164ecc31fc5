/**
 * A call that counts as open, for its tenant and for the process, until it has ended. Every way in which a call can end passes
 * one of three methods, and the base class lets only the first of them have an effect.
 */
import type { Message, Responses } from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';
import type { Status } from '../grpc/status.ts';
import type { Usage } from '../tenant/usage.ts';
import { messageTooLarge } from './limit-status.ts';

export class LimitedCall extends ForwardingCall<'tenant'> {
  /** That of the state that the call began with: a reload may replace it, but not for this call. */
  readonly #tenant: Usage;
  readonly #total: Usage;
  readonly #isStream: boolean;

  /** `isStream`: it counts as a stream. */
  constructor(above: Responses<'tenant'>, tenant: Usage, total: Usage, isStream: boolean) {
    super(above);
    this.#tenant = tenant;
    this.#total = total;
    this.#isStream = isStream;
    this.#count(1);
  }

  override send(message: Message<'tenant'>): void {
    if (this.isEnded) return;
    if (message.length > this.#tenant.limits.messageBytesMax) {
      this.abort(messageTooLarge(this.#tenant, message));
    } else super.send(message);
  }

  override abort(status: Status): void {
    if (!this.isEnded) this.#count(-1);
    super.abort(status);
  }

  override end(status: Status): void {
    if (!this.isEnded) this.#count(-1);
    super.end(status);
  }

  override cancel(): void {
    if (!this.isEnded) this.#count(-1);
    super.cancel();
  }

  #count(by: 1 | -1): void {
    if (this.#isStream) {
      this.#tenant.openStreams += by;
      this.#total.openStreams += by;
    } else {
      this.#tenant.openCalls += by;
      this.#total.openCalls += by;
    }
  }
}
