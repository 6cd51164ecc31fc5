/**
 * Reads the keys of a lease, to find out whether it can belong to the tenant: see checked-lease.ts. A lease without keys passes:
 * no key is lost with it.
 */
import {
  builtMessage,
  type Call,
  type Etcd,
  type Message,
  type OwnedMessage,
  ownedCopy,
  type Responses,
  tenantOf,
} from '../../call/call.ts';
import { startsWith } from '../../etcd/key-range.ts';
import { method } from '../../etcd/methods.ts';
import { type CallHandle, endedCall } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { LeaseOwner, NamespaceHooks } from '../hooks.ts';
import type { CheckedLease } from './checked-lease.ts';

const timeToLive = method('etcdserverpb.Lease/LeaseTimeToLive');
const keysField = 5;

/** Called once, unless the check is cancelled. `status` is that of the read. */
export type OnChecked = (owner: LeaseOwner, status: Status) => void;

export class LeaseCheck implements Responses<'store'>, CallHandle {
  readonly #call: Call;
  readonly #lease: CheckedLease;
  readonly #hooks: NamespaceHooks;
  readonly #onChecked: OnChecked;
  #handle: CallHandle = endedCall;
  #isDone = false;
  #keys = 0;
  #ownKeys = 0;

  /** A check for `call`. A lease found to be the tenant's becomes known. */
  constructor(call: Call, lease: CheckedLease, hooks: NamespaceHooks, onChecked: OnChecked) {
    this.#call = call;
    this.#lease = lease;
    this.#hooks = hooks;
    this.#onChecked = onChecked;
  }

  start(next: Etcd<'store'>): void {
    const request = new Writer().varint(1, this.#lease.stored).bool(2, true).finish();
    const handle = next.unary(this.#call.derive(timeToLive), builtMessage(request), this);
    this.#handle = handle;
    // The call may have been cancelled while it was being started.
    if (this.#isDone) handle.cancel();
  }

  cancel(): void {
    this.#isDone = true;
    this.#handle.cancel();
  }

  deliver(message: OwnedMessage<'store'>): void {
    const { prefix } = tenantOf(this.#call).keySpace;
    const reader = new Reader(message);
    while (reader.next()) {
      if (reader.field !== keysField) continue;
      this.#keys += 1;
      if (startsWith(reader.bytes(), prefix)) this.#ownKeys += 1;
    }
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(status: Status): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const owner = status.code === Code.OK ? this.#owner : 'failed';
    if (owner === 'own') this.#lease.becomeKnown(this.#keys);
    this.#hooks.leaseChecked(this.#call, owner);
    this.#onChecked(owner, status);
  }

  get #owner(): LeaseOwner {
    return this.#lease.isForeign(this.#keys, this.#ownKeys) ? 'foreign' : 'own';
  }

  // One small response, and no requests after the first.
  pauseResponses(): void {}
  resumeResponses(): void {}
  pauseRequests(): void {}
  resumeRequests(): void {}
}
