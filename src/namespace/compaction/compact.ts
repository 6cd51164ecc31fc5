/**
 * Compact, which is virtual for a tenant: it moves the floor below which the tenant's own reads are refused, and leaves
 * the cluster's history alone, because other tenants read it. What reaches the cluster is one read, for the current
 * revision and for a header that etcd has written. Errors and their order are those of etcd's mvcc store (Compact in
 * server/storage/mvcc/kvstore.go).
 */
import { type Reply, tenantOf } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import { method } from '../../etcd/methods.ts';
import type { CompactionFloor, Tenant } from '../../tenant/tenant.ts';
import { settled } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { ToUnary } from '../handler.ts';
import { innerCall } from '../inner-call.ts';

const range = method('etcdserverpb.KV/Range');

export const compact: ToUnary = (next) => (call, request, reply) => {
  const reader = new Reader(request);
  let revision = 0;
  while (reader.next()) if (reader.field === 1) revision = reader.number();
  if (reader.malformed) {
    reply.end(refusal('malformed'));
    return settled;
  }
  const tenant = tenantOf(call);
  const compacting = new CompactReply(reply, tenant.floor, revision);
  return next.unary(innerCall(call, range), countOfOneKey(tenant), compacting);
};

/** A linearizable RangeRequest that returns no key. The first key of the namespace, where the tenant may surely read. */
function countOfOneKey(tenant: Tenant): Uint8Array {
  const key = Buffer.concat([tenant.keySpace.prefix, Uint8Array.of(0)]);
  return new Writer().bytes(1, key).bool(9, true).finish();
}

class CompactReply implements Reply<'store'> {
  readonly #above: Reply<'tenant'>;
  readonly #floor: CompactionFloor;
  readonly #revision: number;
  /** The header of the read, null until it is there. */
  #header: Uint8Array | null = null;

  constructor(above: Reply<'tenant'>, floor: CompactionFloor, revision: number) {
    this.#above = above;
    this.#floor = floor;
    this.#revision = revision;
  }

  message(bytes: Uint8Array): void {
    const reader = new Reader(bytes);
    while (reader.next()) if (reader.field === 1) this.#header = reader.bytes();
    if (reader.malformed) this.#header = null;
  }

  end(status: Status): void {
    if (status.code !== Code.OK) this.#above.end(status);
    else if (this.#header === null) this.#above.end(refusal('proxy-fault'));
    else this.#compact(this.#header, status);
  }

  pause(): void {
    this.#above.pause();
  }

  resume(): void {
    this.#above.resume();
  }

  #compact(header: Uint8Array, status: Status): void {
    if (this.#revision <= this.#floor.revision) {
      this.#above.end(refusal('compacted'));
    } else if (this.#revision > revisionOf(header)) {
      this.#above.end(refusal('revision-future'));
    } else {
      this.#floor.raise(this.#revision, header);
      this.#above.message(new Writer().message(1, header).finish());
      this.#above.end(status);
    }
  }
}

function revisionOf(header: Uint8Array): number {
  const reader = new Reader(header);
  let revision = 0;
  while (reader.next()) if (reader.field === 3) revision = reader.number();
  return revision;
}
