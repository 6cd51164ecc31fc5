/** Reads the ResponseHeader that etcd puts into every response. */
import { Reader } from '../protobuf/reader.ts';

/** The revision in the content of a ResponseHeader; 0 without one. */
export function revisionOf(header: Uint8Array): number {
  const reader = new Reader(header);
  let revision = 0;
  while (reader.next()) if (reader.field === 3) revision = reader.number();
  return revision;
}

/** The cluster of the member that has sent the content of a ResponseHeader; 0n without one. */
export function clusterIdOf(header: Uint8Array): bigint {
  return idIn(header, 1);
}

/** The member that has sent the content of a ResponseHeader; 0n without one. */
export function memberIdOf(header: Uint8Array): bigint {
  return idIn(header, 2);
}

function idIn(header: Uint8Array, field: number): bigint {
  const reader = new Reader(header);
  let id = 0n;
  while (reader.next()) if (reader.field === field) id = BigInt.asUintN(64, reader.int64());
  return id;
}
