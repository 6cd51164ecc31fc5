/**
 * The header of responses about the cluster. Its member is the proxy, the only member that a tenant sees: clients compare it with
 * the leader and with the members of the list. All other fields are etcd's.
 */
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';

const memberIdField = 2;

/** `header` is the content of a ResponseHeader. */
export function proxyHeader(header: Uint8Array, memberId: bigint): Uint8Array {
  const written = new Writer();
  const reader = new Reader(header);
  while (reader.next()) if (reader.field !== memberIdField) written.raw(reader.raw());
  return written.varint(memberIdField, memberId).finish();
}
