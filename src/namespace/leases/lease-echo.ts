/**
 * The ID in the answer to a look-up or a renewal is the one the client asked for, also where no lease of the tenant's can
 * have it. Such a request names the lease that never exists, and its answer comes back with the ID 0; here it gets its
 * own ID again. IDs that can exist need nothing of this.
 */
import { type Reply, tenantOf } from '../../call/call.ts';
import { isVisibleId } from '../../etcd/lease-id.ts';
import type { Status } from '../../grpc/status.ts';
import { replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import type { ToUnary } from '../handler.ts';
import { rewritten } from '../unary.ts';

/** In LeaseKeepAliveRequest and LeaseTimeToLiveRequest. */
const requestIdField = 1;
/** In their responses. */
const responseIdField = 2;

/** The ID that a request names when no lease of a tenant's can have it; null for all others, malformed ones included. */
export function impossibleId(request: Uint8Array): bigint | null {
  const id = varintField(request, requestIdField);
  return typeof id === 'string' || isVisibleId(id) ? null : id;
}

/** LeaseTimeToLive. */
export const timeToLive: ToUnary = (next, options) => {
  const rewrite = rewritten(null)(next, options);
  return (call, request, reply) => {
    const id = tenantOf(call).keySpace.prefix.length === 0 ? null : impossibleId(request);
    if (id === null) return rewrite(call, request, reply);
    const echo = new EchoReply(reply);
    echo.expect(id);
    return rewrite(call, request, echo);
  };
};

/** Puts requested IDs into answers that came back with the ID 0, first in, first out: etcd answers renewals in order. */
export class EchoReply implements Reply<'tenant'> {
  readonly #above: Reply<'tenant'>;
  readonly #ids: bigint[] = [];

  constructor(above: Reply<'tenant'>) {
    this.#above = above;
  }

  /** How many answers have yet to get an ID from here. */
  get expected(): number {
    return this.#ids.length;
  }

  expect(id: bigint): void {
    this.#ids.push(id);
  }

  message(bytes: Uint8Array): void {
    this.#above.message(this.#ids.length === 0 ? bytes : this.#echo(bytes));
  }

  end(status: Status): void {
    this.#above.end(status);
  }

  pause(): void {
    this.#above.pause();
  }

  resume(): void {
    this.#above.resume();
  }

  #echo(bytes: Uint8Array): Uint8Array {
    if (varintField(bytes, responseIdField) !== 0n) return bytes;
    const echoed = replaceVarintField(bytes, responseIdField, this.#ids.shift() ?? 0n);
    // What has been read as a message a line ago can be written as one.
    return typeof echoed === 'string' ? bytes : echoed;
  }
}
