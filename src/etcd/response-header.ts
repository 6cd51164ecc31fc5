/** Reads the ResponseHeader that etcd puts into every response. */
import { Reader, WireType } from '../protobuf/reader.ts';

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

const headerTag = 0x0a;
const revisionTag = 0x18;

/**
 * The revision in the header of a response, which is its first field; 0 without one. Allocates nothing for the headers that etcd
 * sends, because the cache notes it for every response (bench/micro/cache.bench.ts).
 */
export function revisionOfResponse(response: Uint8Array): number {
  const length = response[1] as number;
  const end = 2 + length;
  if (response[0] !== headerTag || length > 0x7f || end > response.length) {
    return slowRevisionOfResponse(response);
  }
  let revision = 0;
  for (let at = 2; at < end; ) {
    const tag = response[at++] as number;
    // Other wire types, and fields with a longer tag.
    if ((tag & 0x87) !== 0) return slowRevisionOfResponse(response);
    let value = 0;
    let scale = 1;
    let byte: number;
    do {
      if (at === end) return 0;
      byte = response[at++] as number;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte > 0x7f);
    if (tag !== revisionTag) continue;
    if (value > Number.MAX_SAFE_INTEGER) return slowRevisionOfResponse(response);
    revision = value;
  }
  return revision;
}

function slowRevisionOfResponse(response: Uint8Array): number {
  const reader = new Reader(response);
  const hasHeader = reader.next() && reader.field === 1 && reader.wireType === WireType.LEN;
  return hasHeader ? revisionOf(reader.bytes()) : 0;
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
