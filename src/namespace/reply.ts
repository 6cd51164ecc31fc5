/**
 * The way back through the namespace: every answer to one call is rewritten to the tenant's keys and lease IDs. It holds
 * the guarantee that the layer exists for: an answer with a key from outside ends the call and is never delivered.
 */
import { type Call, type Reply, tenantOf } from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import { responseRewriter } from '../etcd/rewriters.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { WireFault } from '../rewrite/fault.ts';
import type { NamespaceHooks } from './hooks.ts';

export class StrippingReply implements Reply<'store'> {
  /** Nothing is said to either side any more. Set before the last word, so that a call from within it finds it set. */
  isOver = false;
  readonly #call: Call;
  readonly #above: Reply<'tenant'>;
  readonly #hooks: NamespaceHooks;
  /** Null until `attach`: answers may come before the starting function has returned. */
  #below: Ongoing | null = null;
  /** The call was ended from here, and below does not know it yet. */
  #mustCancel = false;

  constructor(call: Call, above: Reply<'tenant'>, hooks: NamespaceHooks) {
    this.#call = call;
    this.#above = above;
    this.#hooks = hooks;
  }

  /** Takes over the started call. Returns what its caller holds on to: nothing, when it was already ended from here. */
  attach<Below extends Ongoing>(below: Below): Below | typeof settled {
    this.#below = below;
    if (!this.#mustCancel) return below;
    below.cancel();
    return settled;
  }

  message(bytes: Uint8Array): void {
    if (this.isOver) return;
    const rewriter = responseRewriter(this.#call.method);
    const visible = rewriter.rewrite(bytes, tenantOf(this.#call).keySpace);
    if (typeof visible === 'string') {
      this.#violation(visible);
      return;
    }
    const foreign = rewriter.foreignLeases;
    if (foreign > 0) this.#hooks.foreignLeases(this.#call, foreign);
    this.#above.message(visible);
  }

  end(status: Status): void {
    this.#mustCancel = false;
    if (this.isOver) return;
    this.isOver = true;
    this.#above.end(status);
  }

  pause(): void {
    if (!this.isOver) this.#above.pause();
  }

  resume(): void {
    if (!this.isOver) this.#above.resume();
  }

  /** Ends the call from here, in both directions. */
  refuse(name: RefusalName): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#below === null) this.#mustCancel = true;
    else this.#below.cancel();
    this.#above.end(refusal(name));
  }

  /** A stream ends so that clients resume it; what answers once has to say that there is no answer. */
  #violation(fault: WireFault): void {
    this.#hooks.violation(this.#call, fault);
    this.refuse(this.#call.method.responseStream ? 'stream-violation' : 'namespace-violation');
  }
}
