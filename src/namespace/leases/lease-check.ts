/**
 * Reads the keys of a lease, to find out whether it can belong to the tenant. A lease of another namespace has a check
 * value that is right here with probability 2^-32. If all keys of such a lease lie outside the tenant's namespace, it is not the
 * tenant's. A lease without keys passes: no key is lost with it.
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
import { knownLeases } from './known-leases.ts';

const timeToLive = method('etcdserverpb.Lease/LeaseTimeToLive');
const keysField = 5;

/** Called once, unless the check is cancelled. `status` is that of the read. */
export type OnChecked = (owner: LeaseOwner, status: Status) => void;

export class LeaseCheck implements Responses<'store'>, CallHandle {
  readonly #call: Call;
  readonly #visible: number;
  readonly #hooks: NamespaceHooks;
  readonly #onChecked: OnChecked;
  #handle: CallHandle = endedCall;
  #isDone = false;
  #isForeign = false;

  /** A check for `call` of the lease with a visible ID that may exist. A lease found to be the tenant's becomes known. */
  constructor(call: Call, visible: number, hooks: NamespaceHooks, onChecked: OnChecked) {
    this.#call = call;
    this.#visible = visible;
    this.#hooks = hooks;
    this.#onChecked = onChecked;
  }

  start(next: Etcd<'store'>): void {
    const { leases } = tenantOf(this.#call).keySpace;
    const request = new Writer().varint(1, leases.stored(this.#visible)).bool(2, true).finish();
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
    let keys = 0;
    let ownKeys = 0;
    while (reader.next()) {
      if (reader.field !== keysField) continue;
      keys += 1;
      if (startsWith(reader.bytes(), prefix)) ownKeys += 1;
    }
    this.#isForeign = keys > 0 && ownKeys === 0;
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    this.deliver(ownedCopy(head, tail));
  }

  end(status: Status): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const owner = status.code !== Code.OK ? 'failed' : this.#isForeign ? 'foreign' : 'own';
    if (owner === 'own') tenantOf(this.#call).state.get(knownLeases).add(this.#visible);
    this.#hooks.leaseChecked(this.#call, owner);
    this.#onChecked(owner, status);
  }

  // One small response, and no requests after the first.
  pauseResponses(): void {}
  resumeResponses(): void {}
  pauseRequests(): void {}
  resumeRequests(): void {}
}
