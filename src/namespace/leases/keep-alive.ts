/**
 * The way down of a LeaseKeepAlive stream: as any other, but it notes the IDs that no lease of the tenant's can have, so
 * that their answers can echo them.
 */
import { type Message, type Requests, tenantOf } from '../../call/call.ts';
import type { ToStream } from '../handler.ts';
import { EchoReply, impossibleId } from './lease-echo.ts';
import { StrippingReply } from '../reply.ts';
import { NamespacedRequests } from '../requests.ts';

/** Unanswered renewals of leases that cannot exist, per stream; one more ends it. Client libraries send them one by one. */
export const impossibleRenewalsMax = 1024;

export const keepAlive: ToStream =
  (next, { hooks }) =>
  (call, reply) => {
    const echo = new EchoReply(reply);
    const stripping = new StrippingReply(call, echo, hooks);
    const below = stripping.attach(next.stream(call, stripping));
    const requests = new NamespacedRequests(call, below, stripping, null);
    // The tenant that owns the whole cluster names leases as they are.
    if (tenantOf(call).keySpace.prefix.length === 0) return requests;
    return new KeepAliveRequests(requests, echo, stripping);
  };

class KeepAliveRequests implements Requests<'tenant'> {
  readonly #below: Requests<'tenant'>;
  readonly #echo: EchoReply;
  readonly #reply: StrippingReply;

  constructor(below: Requests<'tenant'>, echo: EchoReply, reply: StrippingReply) {
    this.#below = below;
    this.#echo = echo;
    this.#reply = reply;
  }

  message(bytes: Message<'tenant'>): void {
    const id = impossibleId(bytes);
    if (id !== null) {
      if (this.#echo.expected >= impossibleRenewalsMax) {
        this.#reply.refuse('renewal-limit');
        return;
      }
      this.#echo.expect(id);
    }
    this.#below.message(bytes);
  }

  end(): void {
    this.#below.end();
  }

  cancel(): void {
    this.#below.cancel();
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }
}
