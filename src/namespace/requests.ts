/**
 * The way down of a stream through the namespace: every request message is rewritten to stored keys and lease IDs as it
 * comes, none is kept. A message that cannot be rewritten ends the stream; the ones before it stay sent.
 */
import { type Call, type Message, type Requests, tenantOf } from '../call/call.ts';
import { requestRewriter } from '../etcd/rewriters.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Rewriter } from '../rewrite/rewriter.ts';
import type { FloorCheck } from './compaction/floor.ts';
import type { ToStream } from './handler.ts';
import { StrippingReply } from './reply.ts';

/** The handler of a stream. `isBelowFloor` for methods that can read at a revision, null for all others. */
export function rewrittenStream(isBelowFloor: FloorCheck | null): ToStream {
  return (next, { hooks }) =>
    (call, reply) => {
      const stripping = new StrippingReply(call, reply, hooks);
      const below = stripping.attach(next.stream(call, stripping));
      return new NamespacedRequests(call, below, stripping, isBelowFloor);
    };
}

export class NamespacedRequests implements Requests<'tenant'> {
  readonly #below: Requests<'store'>;
  /** The other half, which knows whether the stream is over. */
  readonly #reply: StrippingReply;
  readonly #rewriter: Rewriter;
  readonly #tenant: Tenant;
  readonly #isBelowFloor: FloorCheck | null;

  constructor(
    call: Call,
    below: Requests<'store'>,
    reply: StrippingReply,
    isBelowFloor: FloorCheck | null,
  ) {
    this.#below = below;
    this.#reply = reply;
    this.#rewriter = requestRewriter(call.method);
    this.#tenant = tenantOf(call);
    this.#isBelowFloor = isBelowFloor;
  }

  message(bytes: Message<'tenant'>): void {
    if (this.#reply.isOver) return;
    const { keySpace, floor } = this.#tenant;
    const stored = this.#rewriter.rewrite(bytes, keySpace);
    if (typeof stored === 'string') this.#reply.refuse(stored);
    else if (floor.revision > 0 && this.#isBelowFloor?.(stored, floor.revision)) {
      this.#reply.refuse('compacted');
    } else this.#below.message(stored);
  }

  end(): void {
    if (!this.#reply.isOver) this.#below.end();
  }

  cancel(): void {
    if (this.#reply.isOver) return;
    this.#reply.isOver = true;
    this.#below.cancel();
  }

  pause(): void {
    if (!this.#reply.isOver) this.#below.pause();
  }

  resume(): void {
    if (!this.#reply.isOver) this.#below.resume();
  }
}
