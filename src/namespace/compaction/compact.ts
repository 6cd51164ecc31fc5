/**
 * Compact, which is virtual for a tenant: it raises the tenant's floor and leaves the cluster's history alone, because other
 * tenants read it. What reaches the cluster is one read, for the current revision and a header that etcd has written. Errors
 * and their order are those of etcd's mvcc store (Compact in server/storage/mvcc/kvstore.go).
 */
import {
  builtMessage,
  type Message,
  type OwnedMessage,
  type Responses,
  tenantOf,
} from '../../call/call.ts';
import { ResponseLayer } from '../../call/forwarding.ts';
import { refusal } from '../../call/refusals.ts';
import { method } from '../../etcd/methods.ts';
import { revisionOf } from '../../etcd/response-header.ts';
import { Code, type Status } from '../../grpc/status.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { CompactionFloor } from '../../tenant/compaction-floor.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { ToUnary } from '../handler.ts';
import { rejected } from '../unary.ts';

const range = method('etcdserverpb.KV/Range');

export const compact: ToUnary = (next) => (call, request, responses) => {
  const reader = new Reader(request);
  let revision = 0;
  while (reader.next()) if (reader.field === 1) revision = reader.number();
  if (reader.malformed) return rejected(responses, refusal('malformed'));
  const tenant = tenantOf(call);
  const compacting = new CompactResponses(responses, tenant.state.floor, revision);
  return next.unary(call.derive(range), countOfOneKey(tenant), compacting);
};

/** A linearizable RangeRequest that returns no key. It names the first key of the namespace, which the tenant may read. */
function countOfOneKey(tenant: Tenant): Message<'store'> {
  const key = Buffer.concat([tenant.keySpace.prefix, Uint8Array.of(0)]);
  return builtMessage(new Writer().bytes(1, key).bool(9, true).finish());
}

class CompactResponses extends ResponseLayer<'store', 'tenant'> {
  readonly #floor: CompactionFloor;
  readonly #revision: number;
  /** The header of the read; null until it has arrived. */
  #header: Uint8Array | null = null;

  constructor(above: Responses<'tenant'>, floor: CompactionFloor, revision: number) {
    super(above);
    this.#floor = floor;
    this.#revision = revision;
  }

  override deliver(message: OwnedMessage<'store'>): void {
    const reader = new Reader(message);
    while (reader.next()) if (reader.field === 1) this.#header = reader.bytes();
    if (reader.malformed) this.#header = null;
  }

  override end(status: Status): void {
    super.end(status.code === Code.OK ? this.#compact(status) : status);
  }

  /** Raises the floor and delivers the response, or returns why not. */
  #compact(status: Status): Status {
    const header = this.#header;
    if (header === null) return refusal('proxy-fault');
    if (this.#revision <= this.#floor.revision) return refusal('compacted');
    if (this.#revision > revisionOf(header)) return refusal('revision-future');
    this.#floor.raise(this.#revision, header);
    this.above.deliver(builtMessage(new Writer().message(1, header).finish()));
    return status;
  }
}
