/**
 * One call through the namespace, in both directions. Requests are rewritten to stored keys and lease IDs, responses to
 * visible ones. It keeps the guarantee that the layer exists for: a response with a key outside the namespace ends the call
 * and is never delivered. A request that cannot be rewritten ends its stream; the requests before it stay sent.
 */
import {
  type Call,
  type Message,
  type OwnedMessage,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { CallLayer } from '../call/forwarding.ts';
import { refusal } from '../call/refusals.ts';
import { requestFault } from '../call/request-fault.ts';
import type { RewriteFault } from '../rewrite/fault.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { FloorCheck } from './compaction/floor-check.ts';
import type { ToStream } from './handler.ts';
import type { NamespaceHooks } from './hooks.ts';
import { applyNamespace, foreignLeases, stripNamespace } from './key-rewriting.ts';

/** The handler of a stream. `isBelowFloor` for methods that can read at a revision, null for all others. */
export function rewrittenStream(isBelowFloor: FloorCheck | null): ToStream {
  return (next, { hooks }) =>
    (call, responses) => {
      const stream = new NamespacedCall(call, responses, hooks, isBelowFloor);
      stream.attachStream(next.stream(call, stream));
      return stream;
    };
}

export class NamespacedCall extends CallLayer<'tenant', 'store'> {
  readonly #call: Call;
  readonly #tenant: Tenant;
  readonly #hooks: NamespaceHooks;
  readonly #isBelowFloor: FloorCheck | null;

  constructor(
    call: Call,
    above: Responses<'tenant'>,
    hooks: NamespaceHooks,
    isBelowFloor: FloorCheck | null = null,
  ) {
    super(above);
    this.#call = call;
    this.#tenant = tenantOf(call);
    this.#hooks = hooks;
    this.#isBelowFloor = isBelowFloor;
  }

  override send(message: Message<'tenant'>): void {
    if (this.isEnded) return;
    const { keySpace, state } = this.#tenant;
    const stored = applyNamespace(this.#call.method, message, keySpace);
    if (typeof stored === 'string') this.abort(requestFault(this.#call.method, stored));
    else if (this.#isBelowFloor?.(stored, state.floor)) this.abort(refusal('compacted'));
    else this.requests.send(stored);
  }

  override deliver(message: OwnedMessage<'store'>): void {
    if (this.isEnded) return;
    const { method } = this.#call;
    const visible = stripNamespace(method, message, this.#tenant.keySpace);
    if (typeof visible === 'string') {
      this.#rejectResponse(visible);
      return;
    }
    const foreign = foreignLeases(method);
    if (foreign > 0) this.#hooks.foreignLeases(this.#call, foreign);
    this.above.deliver(visible);
  }

  /** A stream ends with a status that makes clients resume it. A unary call reports that it has no response. */
  #rejectResponse(fault: RewriteFault): void {
    this.#hooks.violation(this.#call, fault);
    const { responseStream } = this.#call.method;
    this.abort(refusal(responseStream ? 'stream-violation' : 'namespace-violation'));
  }
}
