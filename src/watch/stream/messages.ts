/**
 * The messages of a watch stream as far as watch IDs and compaction go: reading creates and cancels, and writing the
 * answers that the proxy gives itself, field for field as etcd gives them (server/etcdserver/api/v3rpc/watch.go).
 * Keys are stored ones here, and nothing looks at events.
 */
import { isEmptyRange } from '../../etcd/key-range.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';

/** Field numbers of WatchRequest. */
export const createField = 1;
export const cancelField = 2;

const noBytes: Uint8Array = new Uint8Array(0);
const createdField = 3;
const watchIdField = 7;

/** What of a WatchCreateRequest decides its ID and its fate. */
export interface Create {
  /** 0n: the server is to choose. */
  readonly watchId: bigint;
  readonly startRevision: number;
  /** Nothing can lie in its range, so etcd refuses it, whatever else it says. */
  readonly isEmpty: boolean;
}

/** Null when a field has the wrong type. */
export function readCreate(create: Reader): Create | null {
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
  return { watchId, startRevision, isEmpty: isEmptyRange({ key, end }) };
}

/** The WatchRequest `source`, in whose create `reader` stands, with the watch ID added. The last one in a message counts. */
export function withWatchId(source: Uint8Array, reader: Reader, id: bigint): Uint8Array {
  const create = new Writer().raw(reader.bytes()).varint(watchIdField, id).finish();
  return new Writer()
    .raw(source.subarray(0, reader.fieldStart))
    .message(createField, create)
    .raw(source.subarray(reader.fieldEnd))
    .finish();
}

/** An answer that the proxy gives itself. It is written when its turn has come, with the newest header. */
export type LocalAnswer =
  | { readonly kind: 'created'; readonly id: bigint }
  | { readonly kind: 'compacted'; readonly id: bigint; readonly revision: number }
  | { readonly kind: 'canceled'; readonly id: bigint }
  | { readonly kind: 'refused'; readonly reason: string };

/** A WatchResponse. `header` is a ResponseHeader of etcd's. */
export function writeAnswer(answer: LocalAnswer, header: Uint8Array): Uint8Array {
  switch (answer.kind) {
    case 'created':
      return new Writer().message(1, header).varint(2, answer.id).bool(createdField, true).finish();
    case 'compacted':
      // etcd leaves the revision of this header at zero.
      return new Writer()
        .message(1, withoutRevision(header))
        .varint(2, answer.id)
        .bool(4, true)
        .varint(5, answer.revision)
        .finish();
    case 'canceled':
      return new Writer().message(1, header).varint(2, answer.id).bool(4, true).finish();
    case 'refused':
      return new Writer()
        .message(1, header)
        .varint(2, -1)
        .bool(createdField, true)
        .bool(4, true)
        .string(6, answer.reason)
        .finish();
    default:
      return answer satisfies never;
  }
}

function withoutRevision(header: Uint8Array): Uint8Array {
  const writer = new Writer();
  const reader = new Reader(header);
  while (reader.next()) if (reader.field !== 3) writer.raw(reader.raw());
  return writer.finish();
}
