/**
 * A LeaseKeepAlive stream through the namespace. The keys of a lease that this process does not know are read before it is renewed.
 * Renewals of leases that are not the tenant's, and of IDs that no lease can have, go to etcd with the ID that is never granted,
 * so that etcd responds as to any lease that does not exist. Their responses get the requested IDs back.
 */
import {
  builtMessage,
  type Call,
  type Etcd,
  type Message,
  ownedCopy,
  tenantOf,
} from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import type { Status } from '../../grpc/status.ts';
import { varintField } from '../../protobuf/varint-field.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { ToStream } from '../handler.ts';
import type { LeaseOwner, NamespaceHooks } from '../hooks.ts';
import { NamespacedCall } from '../namespaced-call.ts';
import { type CheckedLease, canExist, leaseToCheck } from './checked-lease.ts';
import { IdEchoResponses, possibleIdAlone, requestIdField } from './id-echo.ts';
import { type KnownLeases, knownLeases } from './known-leases.ts';
import { LeaseCheck } from './lease-check.ts';

/**
 * Renewals per stream that wait for a check, and as many in flight for leases that cannot exist; one more ends the stream. Client
 * libraries send them one at a time.
 */
export const unusualRenewalsMax = 1024;

const noHead = new Uint8Array(0);
const noLease: Message<'tenant'> = builtMessage(new Writer().varint(requestIdField, 0).finish());

export const keepAlive: ToStream =
  (next, { hooks }) =>
  (call, responses) => {
    // A tenant with an empty namespace names leases as they are.
    const isIdentity = tenantOf(call).keySpace.prefix.length === 0;
    const stream = isIdentity
      ? new NamespacedCall(call, responses, hooks)
      : new KeepAliveCall(next, call, new IdEchoResponses(responses), hooks);
    stream.attachStream(next.stream(call, stream));
    return stream;
  };

interface PendingCheck {
  readonly check: LeaseCheck;
  readonly waiting: Message<'tenant'>[];
}

class KeepAliveCall extends NamespacedCall {
  readonly #next: Etcd<'store'>;
  readonly #call: Call;
  readonly #echo: IdEchoResponses;
  readonly #hooks: NamespaceHooks;
  readonly #known: KnownLeases;
  readonly #tenant: Tenant;
  readonly #checks = new Map<bigint, PendingCheck>();
  #waiting = 0;
  #isHalfClosed = false;

  constructor(next: Etcd<'store'>, call: Call, echo: IdEchoResponses, hooks: NamespaceHooks) {
    super(call, echo, hooks);
    this.#next = next;
    this.#call = call;
    this.#echo = echo;
    this.#hooks = hooks;
    this.#tenant = tenantOf(call);
    this.#known = this.#tenant.state.get(knownLeases);
  }

  override send(message: Message<'tenant'>): void {
    if (this.isEnded) return;
    const visible = this.#tenant.keySpace.mapsLeases ? possibleIdAlone(message) : 0;
    if (visible !== 0 && this.#known.has(visible)) {
      super.send(message);
      return;
    }
    const id = varintField(message, requestIdField);
    // A malformed request ends the stream.
    if (typeof id === 'string') super.send(message);
    else if (!canExist(this.#tenant, id)) this.#sendUnknown(id, message);
    else {
      const lease = leaseToCheck(this.#tenant, id, 'renewal');
      if (lease === null) super.send(message);
      else this.#check(id, lease, message);
    }
  }

  override halfClose(): void {
    this.#isHalfClosed = true;
    if (this.#checks.size === 0) super.halfClose();
  }

  override abort(status: Status): void {
    this.#cancelChecks();
    super.abort(status);
  }

  override cancel(): void {
    this.#cancelChecks();
    super.cancel();
  }

  override end(status: Status): void {
    this.#cancelChecks();
    super.end(status);
  }

  /** Sends a renewal of a lease that does not exist for this tenant. */
  #sendUnknown(id: bigint, message: Message<'tenant'>): void {
    if (this.#echo.expected >= unusualRenewalsMax) {
      this.abort(refusal('renewal-limit'));
      return;
    }
    this.#echo.expect(id);
    super.send(message);
  }

  #check(id: bigint, lease: CheckedLease, message: Message<'tenant'>): void {
    if (this.#waiting >= unusualRenewalsMax) {
      this.abort(refusal('renewal-limit'));
      return;
    }
    this.#waiting += 1;
    const copy = ownedCopy(noHead, message);
    const pending = this.#checks.get(id);
    if (pending !== undefined) {
      pending.waiting.push(copy);
      return;
    }
    const check = new LeaseCheck(this.#call, lease, this.#hooks, (owner) =>
      this.#onChecked(id, owner),
    );
    this.#checks.set(id, { check, waiting: [copy] });
    check.start(this.#next);
  }

  /** If etcd did not respond, the lease is renewed all the same: a lease must not expire because of the check. */
  #onChecked(id: bigint, owner: LeaseOwner): void {
    const waiting = this.#checks.get(id)?.waiting ?? [];
    this.#checks.delete(id);
    this.#waiting -= waiting.length;
    for (const message of waiting) {
      if (this.isEnded) return;
      if (owner === 'foreign') this.#sendUnknown(id, noLease);
      else super.send(message);
    }
    if (this.#isHalfClosed && this.#checks.size === 0) super.halfClose();
  }

  #cancelChecks(): void {
    for (const { check } of this.#checks.values()) check.cancel();
    this.#checks.clear();
  }
}
