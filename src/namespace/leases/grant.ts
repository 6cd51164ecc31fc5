/**
 * LeaseGrant: which ID a new lease gets. A client that chooses an ID gets it within its namespace. For other clients the
 * proxy draws one, because etcd's own choice would lie outside the namespace, and draws again if that one is taken. Only
 * etcd's status that the ID is taken leads to another attempt: after any other status the lease may exist.
 */
import {
  builtMessage,
  type Call,
  type Etcd,
  type Message,
  type OwnedMessage,
  type Responses,
  tenantOf,
} from '../../call/call.ts';
import { ForwardingCall } from '../../call/forwarding.ts';
import { leaseExistsText, refusal } from '../../call/refusals.ts';
import { isVisibleId, visibleId, visibleIdMax } from '../../etcd/lease-id.ts';
import { Code, type Status } from '../../grpc/status.ts';
import { type FieldFault, replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import type { LeaseSeal } from '../../rewrite/lease-seal.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { Random } from '../../runtime/random.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { ToUnary } from '../handler.ts';
import type { NamespaceHooks } from '../hooks.ts';
import { NamespacedCall } from '../namespaced-call.ts';
import { asStored, rejected, rewritten } from '../unary.ts';
import { grantedLeases, knownLeases } from './known-leases.ts';

/** With half of all IDs of a namespace taken, this many draws all fail once in 65,536 grants. */
export const grantDrawsMax = 16;

const idField = 2;
/** In the response. */
export const grantedIdField = 2;

export const leaseGrant: ToUnary = (next, options) => {
  const rewrite = rewritten(null)(next, options);
  return (call, request, responses) => {
    const { keySpace } = tenantOf(call);
    if (keySpace.prefix.length === 0) return rewrite(call, request, responses);
    if (!keySpace.mapsLeases) {
      // Clients name leases as they are, and let etcd choose.
      const granted = new GrantCall(call, responses, options.hooks);
      granted.attach(next.unary(call, asStored(request), granted));
      return granted;
    }
    const chosen = varintField(request, idField);
    if (typeof chosen === 'string') return rejected(responses, refusal(chosen));
    if (chosen !== 0n && !isVisibleId(chosen)) {
      return rejected(responses, refusal('lease-id-range'));
    }
    const namespaced = new GrantCall(call, responses, options.hooks);
    if (chosen === 0n) {
      const drawing = { next, random: options.random, leases: keySpace.leases };
      const grant = new DrawnGrant(drawing, call, request, namespaced);
      grant.draw();
      namespaced.attach(grant);
    } else {
      const stored = withStoredId(request, keySpace.leases, Number(chosen));
      if (typeof stored === 'string') return rejected(responses, refusal(stored));
      namespaced.attach(next.unary(call, builtMessage(stored), namespaced));
    }
    return namespaced;
  };
};

/** A grant through the namespace. The lease becomes known as the tenant's. */
class GrantCall extends NamespacedCall {
  readonly #tenant: Tenant;

  constructor(call: Call, above: Responses<'tenant'>, hooks: NamespaceHooks) {
    super(call, above, hooks);
    this.#tenant = tenantOf(call);
  }

  override deliver(message: OwnedMessage<'store'>): void {
    becomeKnown(this.#tenant, varintField(message, grantedIdField));
    super.deliver(message);
  }
}

/** Records the lease of a response to a grant. Returns false if the ID is not one of the tenant's. */
export function becomeKnown({ keySpace, state }: Tenant, stored: bigint | FieldFault): boolean {
  if (typeof stored === 'string') return false;
  if (!keySpace.mapsLeases) {
    state.get(grantedLeases).add(stored);
    return true;
  }
  const visible = visibleId(keySpace.leases, stored);
  if (visible === null || visible === 0) return false;
  state.get(knownLeases).add(visible);
  return true;
}

/** A LeaseGrantRequest with the stored ID of `visible`. */
function withStoredId(
  request: Uint8Array,
  leases: LeaseSeal,
  visible: number,
): OwnedBytes | FieldFault {
  return replaceVarintField(request, idField, leases.stored(visible));
}

export interface DrawOptions {
  readonly next: Etcd<'store'>;
  readonly random: Random;
  readonly leases: LeaseSeal;
}

/** A grant whose ID the proxy draws. To its caller it is one call, however many attempts it makes. */
export class DrawnGrant extends ForwardingCall<'store'> {
  readonly #options: DrawOptions;
  readonly #call: Call;
  readonly #request: Message<'tenant'>;
  #draws = 0;

  /** `request` is a LeaseGrantRequest without an ID. It carries no keys, so it is valid in either space. */
  constructor(
    options: DrawOptions,
    call: Call,
    request: Message<'tenant'>,
    above: Responses<'store'>,
  ) {
    super(above);
    this.#options = options;
    this.#call = call;
    this.#request = request;
  }

  /** Sends the request with a newly drawn ID. */
  draw(): void {
    const { next, random, leases } = this.#options;
    const drawn = withStoredId(this.#request, leases, random.integer(1, visibleIdMax + 1));
    if (typeof drawn === 'string') {
      this.end(refusal(drawn));
      return;
    }
    this.#draws += 1;
    const draw = this.#draws;
    const handle = next.unary(this.#call, builtMessage(drawn), this);
    // A status that arrived before `unary` returned may have led to a later draw, whose handle counts then.
    if (draw === this.#draws) this.attach(handle);
  }

  override end(status: Status): void {
    if (!isTaken(status)) super.end(status);
    else if (this.#draws < grantDrawsMax) this.draw();
    else super.end(refusal('lease-exists'));
  }
}

function isTaken(status: Status): boolean {
  return status.code === Code.FAILED_PRECONDITION && status.text === leaseExistsText;
}
