/**
 * What the types of src/call/ must reject. Each `@ts-expect-error` is itself an error if the line below it compiles.
 */
import {
  builtMessage,
  type Etcd,
  type Message,
  type OwnedMessage,
  type Responses,
} from '../../src/call/call.ts';
import { ForwardingResponses, ResponseLayer } from '../../src/call/forwarding.ts';
import type { Status } from '../../src/grpc/status.ts';
import { asOwned, type OwnedBytes } from '../../src/runtime/owned-bytes.ts';

declare const tenantResponses: Responses<'tenant'>;
declare const storeEtcd: Etcd<'store'>;
declare const shared: Message<'tenant'>;
declare const owned: OwnedMessage<'tenant'>;
declare const plain: Uint8Array;

/** A class with plain byte parameters still cannot pass its bytes to a sink of another space. */
export class WrongSpace implements Responses<'store'> {
  deliver(bytes: Uint8Array): void {
    // @ts-expect-error the bytes are not known to be owned, nor to hold visible keys
    tenantResponses.deliver(bytes);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    // @ts-expect-error the bytes are not known to hold visible keys
    tenantResponses.deliverShared(head, tail);
  }

  end(status: Status): void {
    tenantResponses.end(status);
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
}

/** The correct counterpart: it converts, and casts where the space ends. */
export class RightSpace extends ResponseLayer<'store', 'tenant'> {
  override deliver(message: OwnedMessage<'store'>): void {
    const visible: OwnedBytes = message;
    this.above.deliver(builtMessage(visible));
  }
}

export class Forgetful extends ResponseLayer<'store', 'tenant'> {
  override deliver(message: OwnedMessage<'store'>): void {
    // @ts-expect-error the message still holds stored keys
    this.above.deliver(message);
  }
}

export class Unchanged extends ForwardingResponses<'store'> {
  override deliver(message: OwnedMessage<'store'>): void {
    super.deliver(message);
  }
}

export function ownership(): void {
  // @ts-expect-error a shared message must not be rewritten in place, so it is not owned
  tenantResponses.deliver(shared);
  // @ts-expect-error plain bytes are shared
  const claimed: OwnedBytes = plain;
  tenantResponses.deliver(owned);
  // Owned bytes may be given up as shared ones.
  tenantResponses.deliverShared(plain, owned);
  tenantResponses.deliver(builtMessage(asOwned(claimed)));
}

export function spaces(): void {
  // @ts-expect-error plain bytes have no key space
  const message: Message<'store'> = plain;
  // @ts-expect-error a message of a tenant holds visible keys
  const stored: Message<'store'> = shared;
  // @ts-expect-error its responses hold stored keys
  const responses: Responses<'store'> = tenantResponses;
  // @ts-expect-error below identify and above namespace, messages hold visible keys
  const tenantEtcd: Etcd<'tenant'> = storeEtcd;
  void [message, stored, responses, tenantEtcd];
}
