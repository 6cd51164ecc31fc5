/**
 * A look-up or a renewal echoes the lease ID that the client asked for, also if no lease of the tenant can have that ID. Such
 * a request goes to etcd with the ID that is never granted, and its response returns with the ID 0. Here the response gets
 * the requested ID back. IDs that a tenant's lease can have need none of this.
 */
import { builtMessage, type Message, type OwnedMessage, tenantOf } from '../../call/call.ts';
import { ForwardingResponses } from '../../call/forwarding.ts';
import { isVisibleId } from '../../etcd/lease-id.ts';
import { replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import { LeaseVarint } from '../../rewrite/lease-varint.ts';
import type { ToUnary } from '../handler.ts';
import { rewritten } from '../unary.ts';

/** In LeaseKeepAliveRequest and LeaseTimeToLiveRequest. */
export const requestIdField = 1;
/** In their responses. */
const responseIdField = 2;
/** The first byte of a request that consists of its ID. */
const requestIdTag = requestIdField << 3;
const varint = new LeaseVarint();

/** The ID that a request names if no lease of a tenant can have it; null for all others, malformed ones included. */
function impossibleId(request: Message<'tenant'>): bigint | null {
  if (possibleIdAlone(request) > 0) return null;
  const id = varintField(request, requestIdField);
  return typeof id === 'string' || isVisibleId(id) ? null : id;
}

/** The ID of a request that consists of one that a lease of a tenant can have. 0 for other requests. Needs no bigint. */
export function possibleIdAlone(request: Uint8Array): number {
  const isAlone =
    request[0] === requestIdTag &&
    varint.read(request, 1, request.length) &&
    varint.end === request.length &&
    varint.isVisible;
  return isAlone ? varint.low : 0;
}

/** LeaseTimeToLive. */
export const timeToLive: ToUnary = (next, options) => {
  const rewrite = rewritten(null)(next, options);
  return (call, request, responses) => {
    const id = tenantOf(call).keySpace.mapsLeases ? impossibleId(request) : null;
    if (id === null) return rewrite(call, request, responses);
    const echo = new IdEchoResponses(responses);
    echo.expect(id);
    return rewrite(call, request, echo);
  };
};

/** Puts requested IDs into responses with the ID 0, first in, first out: etcd responds to renewals in order. */
export class IdEchoResponses extends ForwardingResponses<'tenant'> {
  readonly #ids: bigint[] = [];

  /** How many responses still have to get an ID. */
  get expected(): number {
    return this.#ids.length;
  }

  expect(id: bigint): void {
    this.#ids.push(id);
  }

  override deliver(message: OwnedMessage<'tenant'>): void {
    super.deliver(this.#ids.length === 0 ? message : this.#echo(message));
  }

  #echo(message: OwnedMessage<'tenant'>): OwnedMessage<'tenant'> {
    if (varintField(message, responseIdField) !== 0n) return message;
    const echoed = replaceVarintField(message, responseIdField, this.#ids.shift() ?? 0n);
    // The field could be read, so it can be replaced.
    return typeof echoed === 'string' ? message : builtMessage(echoed);
  }
}
