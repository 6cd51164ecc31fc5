/**
 * Maintenance.Status for a tenant: the version, the header and the health of the cluster, on which clients act. Sizes and
 * positions of the store are left out, because they show how much other tenants write; the owner of the cluster gets the
 * response unchanged. As long as the cluster has a leader, the proxy is it: the only member that a tenant sees. The size is that of an
 * empty store, because etcdctl divides by it.
 */
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { ToUnary } from '../handler.ts';
import { MappedResponses } from '../mapped-responses.ts';
import { asStored } from '../unary.ts';
import { proxyHeader } from './proxy-header.ts';

/** version, raftTerm (the header has it too), errors, isLearner, storageVersion, downgradeInfo. */
const shownFields: ReadonlySet<number> = new Set([2, 6, 8, 10, 11, 13]);
const headerField = 1;
const dbSizeField = 3;
const leaderField = 4;
const dbSizeInUseField = 9;
/** Bytes of etcd's backend without a key. */
const emptyDbBytes = 20_480;

export const memberStatus: ToUnary =
  (next, { self }) =>
  (call, request, responses) => {
    const visible = (message: Uint8Array) => visibleStatus(message, self.memberId);
    return next.unary(call, asStored(request), new MappedResponses(responses, visible));
  };

function visibleStatus(message: Uint8Array, memberId: bigint): OwnedBytes {
  const visible = new Writer();
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field === headerField) {
      visible.message(headerField, proxyHeader(reader.bytes(), memberId));
    } else if (shownFields.has(reader.field)) visible.raw(reader.raw());
    else if (reader.field === leaderField && reader.int64() !== 0n) {
      visible.varint(leaderField, memberId);
    }
  }
  return visible.varint(dbSizeField, emptyDbBytes).varint(dbSizeInUseField, emptyDbBytes).finish();
}
