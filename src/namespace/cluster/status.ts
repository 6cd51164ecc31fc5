/**
 * Maintenance.Status for a tenant: the version, the header and the health of the cluster, which clients act on. Sizes and
 * positions of the store are left out, because they tell how much the other tenants write; the owner of the cluster gets
 * the answer as it came. The leader is the proxy, the only member that a tenant knows of, as long as there is one.
 */
import type { Message } from '../../call/call.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { ToUnary } from '../handler.ts';
import { MappedReply } from '../mapped-reply.ts';

/** header, version, raftTerm (the header has it too), errors, isLearner, storageVersion, downgradeInfo. */
const shown: ReadonlySet<number> = new Set([1, 2, 6, 8, 10, 11, 13]);
const leaderField = 4;

export const memberStatus: ToUnary =
  (next, { self }) =>
  (call, request, reply) => {
    const visible = (bytes: Uint8Array) => visibleStatus(bytes, self.memberId);
    return next.unary(call, request as Message<never>, new MappedReply(reply, visible));
  };

function visibleStatus(bytes: Uint8Array, memberId: bigint): Uint8Array {
  const status = new Writer();
  const reader = new Reader(bytes);
  while (reader.next()) {
    if (shown.has(reader.field)) status.raw(reader.raw());
    else if (reader.field === leaderField && reader.int64() !== 0n) {
      status.varint(leaderField, memberId);
    }
  }
  return status.finish();
}
