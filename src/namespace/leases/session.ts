/**
 * Locks and elections whose request names no lease. etcd would grant a lease of 60 seconds itself, but outside the tenant's
 * namespace, so the tenant's key would hang on a lease that no tenant can name. The proxy grants a lease of the namespace first
 * and names it in the request.
 *
 * If the call then fails or its client disconnects, that lease stays until it expires, like the one that etcd grants
 * (v3lock/lock.go and v3election/election.go orphan their session). Revoking it would be wrong if only the response was lost:
 * the key, and with it the lock, would vanish under a client that may hold it.
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
import { UnaryLayer } from '../../call/forwarding.ts';
import { refusal } from '../../call/refusals.ts';
import { requestFault } from '../../call/request-fault.ts';
import type { LeasePlace } from '../../etcd/lease-place.ts';
import { method } from '../../etcd/methods.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import { type FieldFault, varintField } from '../../protobuf/varint-field.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { NamespaceOptions, ToUnary } from '../handler.ts';
import { applyNamespace } from '../key-rewriting.ts';
import { rejected, send } from '../unary.ts';
import { becomeKnown, DrawnGrant, grantedIdField } from './grant.ts';

/** As etcd: defaultSessionTTL in client/v3/concurrency/session.go. */
export const sessionTtlSeconds = 60;

const leaseGrant = method('etcdserverpb.Lease/LeaseGrant');
const grantRequest: Message<'tenant'> = builtMessage(
  new Writer().varint(1, sessionTtlSeconds).finish(),
);

export function withSession(place: LeasePlace): ToUnary {
  return (next, options) => (call, request, responses) => {
    const { keySpace } = tenantOf(call);
    // Before the grant: a rejected request must have no effect.
    const stored = applyNamespace(call.method, request, keySpace);
    if (typeof stored === 'string') return rejected(responses, requestFault(call.method, stored));
    const named = place.read(stored);
    // If clients have the lease IDs of the cluster, they can name the lease that etcd grants.
    if (named !== 0n || !keySpace.mapsLeases) {
      return send(next, options.hooks, call, stored, responses);
    }
    const session = new GrantedSession(next, options, place, call, stored, responses);
    session.grant();
    return session;
  };
}

/** The grant, and after it the call. To the layer above they are one. This object is the response sink of the grant. */
class GrantedSession extends UnaryLayer<'store', 'tenant'> {
  readonly #next: Etcd<'store'>;
  readonly #options: NamespaceOptions;
  readonly #place: LeasePlace;
  readonly #call: Call;
  readonly #request: Message<'store'>;
  #lease: bigint | FieldFault = 0n;

  constructor(
    next: Etcd<'store'>,
    options: NamespaceOptions,
    place: LeasePlace,
    call: Call,
    request: Message<'store'>,
    above: Responses<'tenant'>,
  ) {
    super(above);
    this.#next = next;
    this.#options = options;
    this.#place = place;
    this.#call = call;
    this.#request = request;
  }

  grant(): void {
    const { leases } = tenantOf(this.#call).keySpace;
    const drawing = { next: this.#next, random: this.#options.random, leases };
    const grant = new DrawnGrant(drawing, this.#call.derive(leaseGrant), grantRequest, this);
    this.attach(grant);
    grant.draw();
  }

  override deliver(message: OwnedMessage<'store'>): void {
    this.#lease = varintField(message, grantedIdField);
  }

  override end(status: Status): void {
    if (this.isEnded) return;
    if (status.code === Code.OK) this.#proceed();
    else super.end(asSessionFailure(status));
  }

  #proceed(): void {
    const { hooks } = this.#options;
    const lease = this.#lease;
    if (typeof lease === 'string' || !becomeKnown(tenantOf(this.#call), lease)) {
      hooks.violation(this.#call, 'namespace-violation');
      super.end(refusal('namespace-violation'));
      return;
    }
    const request = this.#place.write(this.#request, lease);
    if (typeof request === 'string') super.end(refusal(request));
    else this.attach(send(this.#next, hooks, this.#call, builtMessage(request), this.above));
  }
}

/** etcd's lock and election services report every failure of a peer as Unknown. */
function asSessionFailure(of: Status): Status {
  return of.origin === 'peer' ? status(Code.UNKNOWN, of.text, 'peer', of.trailers) : of;
}
