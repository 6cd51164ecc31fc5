/**
 * A LeaseKeepAlive stream through the namespace. It records the IDs that no lease of the tenant can have, so that their
 * responses can echo them.
 */
import { type Call, type Message, tenantOf } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import type { ToStream } from '../handler.ts';
import type { NamespaceHooks } from '../hooks.ts';
import { NamespacedCall } from '../namespaced-call.ts';
import { IdEchoResponses, impossibleId } from './id-echo.ts';

/**
 * Renewals in flight, per stream, of leases that cannot exist; one more ends the stream. Client libraries send them one at a
 * time.
 */
export const impossibleRenewalsMax = 1024;

export const keepAlive: ToStream =
  (next, { hooks }) =>
  (call, responses) => {
    // A tenant with an empty namespace names leases as they are.
    const isIdentity = tenantOf(call).keySpace.prefix.length === 0;
    const stream = isIdentity
      ? new NamespacedCall(call, responses, hooks)
      : new KeepAliveCall(call, new IdEchoResponses(responses), hooks);
    stream.attachStream(next.stream(call, stream));
    return stream;
  };

class KeepAliveCall extends NamespacedCall {
  readonly #echo: IdEchoResponses;

  constructor(call: Call, echo: IdEchoResponses, hooks: NamespaceHooks) {
    super(call, echo, hooks);
    this.#echo = echo;
  }

  override send(message: Message<'tenant'>): void {
    const id = this.isEnded ? null : impossibleId(message);
    if (id !== null) {
      if (this.#echo.expected >= impossibleRenewalsMax) {
        this.abort(refusal('renewal-limit'));
        return;
      }
      this.#echo.expect(id);
    }
    super.send(message);
  }
}
