/**
 * LeaseRevoke. The keys of a lease that this process does not know are read first, because a revoke deletes them. For a
 * lease that is not the tenant's, etcd receives the ID that is never granted, and responds that the lease does not exist.
 */
import {
  builtMessage,
  type Call,
  type Message,
  type Responses,
  tenantOf,
} from '../../call/call.ts';
import { type CallHandle, endedCall } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import { replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import type { ToUnary, UnaryHandler } from '../handler.ts';
import type { LeaseOwner } from '../hooks.ts';
import { rewritten } from '../unary.ts';
import { canExist, leaseToCheck } from './checked-lease.ts';
import { LeaseCheck } from './lease-check.ts';

const idField = 1;

export const leaseRevoke: ToUnary = (next, options) => {
  const revoke = rewritten(null)(next, options);
  return (call, request, responses) => {
    const tenant = tenantOf(call);
    const id = varintField(request, idField);
    // A malformed request is rejected later, and etcd rejects an ID that no lease can have.
    const isNamed =
      tenant.keySpace.prefix.length > 0 && typeof id === 'bigint' && canExist(tenant, id);
    const lease = isNamed ? leaseToCheck(tenant, id, 'revoke') : null;
    if (lease === null) return revoke(call, request, responses);
    const checked = new CheckedRevoke(revoke, call, request, responses);
    const check = new LeaseCheck(call, lease, options.hooks, (owner, status) =>
      checked.onChecked(owner, status),
    );
    checked.attach(check);
    check.start(next);
    return checked;
  };
};

/** The check, and after it the revoke. To the layer above they are one call. */
class CheckedRevoke implements CallHandle {
  readonly #revoke: UnaryHandler;
  readonly #call: Call;
  readonly #request: Message<'tenant'>;
  readonly #responses: Responses<'tenant'>;
  #handle: CallHandle = endedCall;
  #isCancelled = false;

  constructor(
    revoke: UnaryHandler,
    call: Call,
    request: Message<'tenant'>,
    responses: Responses<'tenant'>,
  ) {
    this.#revoke = revoke;
    this.#call = call;
    this.#request = request;
    this.#responses = responses;
  }

  /** The call may have been cancelled while `handle` was being started. */
  attach(handle: CallHandle): void {
    this.#handle = handle;
    if (this.#isCancelled) handle.cancel();
  }

  onChecked(owner: LeaseOwner, status: Status): void {
    // etcd also requires the permission to read the keys for the check. Whether the revoke is permitted, it decides itself.
    if (owner === 'failed' && status.code !== Code.PERMISSION_DENIED) {
      this.#responses.end(status);
      return;
    }
    const request = owner === 'foreign' ? withoutLease(this.#request) : this.#request;
    this.attach(this.#revoke(this.#call, request, this.#responses));
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#handle.cancel();
  }

  pauseResponses(): void {
    this.#handle.pauseResponses();
  }

  resumeResponses(): void {
    this.#handle.resumeResponses();
  }
}

/** The request for the ID that is never granted. */
function withoutLease(request: Message<'tenant'>): Message<'tenant'> {
  const replaced = replaceVarintField(request, idField, 0n);
  // The field could be read, so it can be replaced.
  return typeof replaced === 'string' ? request : builtMessage(replaced);
}
