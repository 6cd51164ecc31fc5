/**
 * The messages of a watch stream, as far as watch IDs and compaction need them: reads creates and cancels, and writes the
 * responses that the proxy builds, field for field as etcd does (server/etcdserver/api/v3rpc/watch.go). Keys are visible ones.
 * Events are not read.
 */
import { builtMessage, type Message } from '../../call/call.ts';
import { isEmptyRange } from '../../etcd/key-range.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';

/** Field numbers of WatchRequest. */
export const createField = 1;
export const cancelField = 2;

const noBytes: Uint8Array = new Uint8Array(0);
/** As etcd reads an empty key in a create: the first possible key. */
const firstKey = Uint8Array.of(0);
const createdField = 3;
const watchIdField = 7;

/** The fields of a WatchCreateRequest that decide its ID and its response. */
export interface CreateRequest {
  /** 0n if the server chooses. */
  readonly watchId: bigint;
  readonly startRevision: number;
  /** The range cannot contain a key, so etcd rejects the create whatever else it says. */
  readonly isEmpty: boolean;
}

/** Null if a field has the wrong type. */
export function readCreate(create: Reader): CreateRequest | null {
  let key = noBytes;
  let end = noBytes;
  let startRevision = 0;
  let watchId = 0n;
  while (create.next()) {
    if (create.field === 1) key = create.bytes();
    else if (create.field === 2) end = create.bytes();
    else if (create.field === 3) startRevision = create.number();
    else if (create.field === watchIdField) watchId = create.int64();
  }
  if (create.malformed) return null;
  const isEmpty = isEmptyRange({ key: key.length === 0 ? firstKey : key, end });
  return { watchId, startRevision, isEmpty };
}

/** A copy of the WatchRequest `source`, whose create `reader` is at, with the watch ID added. The last ID in a message counts. */
export function withWatchId(
  source: Message<'tenant'>,
  reader: Reader,
  id: bigint,
): Message<'tenant'> {
  const create = new Writer().raw(reader.bytes()).varint(watchIdField, id).finish();
  const message = new Writer()
    .raw(source.subarray(0, reader.fieldStart))
    .message(createField, create)
    .raw(source.subarray(reader.fieldEnd))
    .finish();
  return builtMessage(message);
}

/** A response that the proxy builds. It is written when its turn comes, with the newest header. */
export type LocalResponse =
  | { readonly kind: 'created'; readonly id: bigint }
  | { readonly kind: 'compacted'; readonly id: bigint; readonly revision: number }
  | { readonly kind: 'canceled'; readonly id: bigint }
  | { readonly kind: 'rejected'; readonly reason: string };

/** A WatchResponse. `header` is a ResponseHeader that etcd has written. */
export function writeResponse(response: LocalResponse, header: Uint8Array): OwnedBytes {
  switch (response.kind) {
    case 'created':
      return new Writer()
        .message(1, header)
        .varint(2, response.id)
        .bool(createdField, true)
        .finish();
    case 'compacted':
      // etcd leaves the revision in this header at zero.
      return new Writer()
        .message(1, withoutRevision(header))
        .varint(2, response.id)
        .bool(4, true)
        .varint(5, response.revision)
        .finish();
    case 'canceled':
      return new Writer().message(1, header).varint(2, response.id).bool(4, true).finish();
    case 'rejected':
      return new Writer()
        .message(1, header)
        .varint(2, -1)
        .bool(createdField, true)
        .bool(4, true)
        .string(6, response.reason)
        .finish();
    default:
      return response satisfies never;
  }
}

function withoutRevision(header: Uint8Array): Uint8Array {
  const writer = new Writer();
  const reader = new Reader(header);
  while (reader.next()) if (reader.field !== 3) writer.raw(reader.raw());
  return writer.finish();
}
