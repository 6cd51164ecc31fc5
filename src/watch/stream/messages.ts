/**
 * The messages of a watch stream: reads creates, and writes the responses that the proxy builds, field for field as etcd does
 * (server/etcdserver/api/v3rpc/watch.go). Keys are visible ones.
 * Events are not read.
 */
import { builtMessage, type Message } from '../../call/call.ts';
import { refusals } from '../../call/refusals.ts';
import { isEmptyRange, type KeyRange } from '../../etcd/key-range.ts';
import { Reader, WireType } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';

/** Field numbers of WatchRequest. */
export const createField = 1;
export const cancelField = 2;
export const progressField = 3;

const noBytes: Uint8Array = new Uint8Array(0);
/** As etcd reads an empty key in a create: the first possible key. */
const firstKey = Uint8Array.of(0);
const createdField = 3;
const watchIdField = 7;

/** A WatchCreateRequest. */
export interface CreateRequest {
  /** 0n if the server chooses. */
  readonly watchId: bigint;
  /** An empty key is read as etcd reads it, as the first possible key. */
  readonly range: KeyRange;
  readonly startRevision: number;
  /** The range cannot contain a key, so etcd rejects the create whatever else it says. */
  readonly isEmpty: boolean;
  readonly prevKv: boolean;
  readonly hasProgressNotify: boolean;
  readonly hasFragments: boolean;
  readonly filter: EventFilter;
}

/** Events that a watcher does not receive. */
export interface EventFilter {
  readonly noPut: boolean;
  readonly noDelete: boolean;
}

/** FilterType of a WatchCreateRequest. */
const noPutFilter = 0;
const noDeleteFilter = 1;

/** Null if a field has the wrong type. */
export function readCreate(create: Reader): CreateRequest | null {
  let key = noBytes;
  let end = noBytes;
  let startRevision = 0;
  let watchId = 0n;
  let prevKv = false;
  let hasProgressNotify = false;
  let hasFragments = false;
  const filters = new Set<number>();
  while (create.next()) {
    switch (create.field) {
      case 1:
        key = create.bytes();
        break;
      case 2:
        end = create.bytes();
        break;
      case 3:
        startRevision = create.number();
        break;
      case 4:
        hasProgressNotify = create.bool();
        break;
      case 5:
        readFilters(create, filters);
        break;
      case 6:
        prevKv = create.bool();
        break;
      case watchIdField:
        watchId = create.int64();
        break;
      case 8:
        hasFragments = create.bool();
        break;
    }
  }
  if (create.malformed) return null;
  const range = { key: key.length === 0 ? firstKey : key, end };
  return {
    watchId,
    range,
    startRevision,
    isEmpty: isEmptyRange(range),
    prevKv,
    hasProgressNotify,
    hasFragments,
    filter: { noPut: filters.has(noPutFilter), noDelete: filters.has(noDeleteFilter) },
  };
}

/** A repeated enum is packed or not, as its encoder chooses. */
function readFilters(create: Reader, filters: Set<number>): void {
  if (create.wireType === WireType.VARINT) {
    filters.add(create.number());
    return;
  }
  for (const value of create.bytes()) filters.add(value);
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

export const duplicateId: LocalResponse = {
  kind: 'rejected',
  reason: 'mvcc: duplicate watch ID provided on the WatchStream',
};
export const overLimit: LocalResponse = { kind: 'rejected', reason: refusals['watch-limit'].text };

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

/** The content of a ResponseHeader with another revision. */
export function withRevision(header: Uint8Array, revision: number): Uint8Array {
  const writer = new Writer();
  const reader = new Reader(header);
  while (reader.next()) {
    if (reader.field === 3) writer.varint(3, revision);
    else writer.raw(reader.raw());
  }
  return writer.finish();
}

/** A progress response of a whole stream: watch ID -1. */
export function writeProgress(header: Uint8Array): OwnedBytes {
  return new Writer().message(1, header).varint(2, -1).finish();
}

/** The end of a watch as etcd reported it, under the client's watch ID. `header` is the `header` field with its tag. */
export function writeEnd(
  header: Uint8Array,
  id: bigint,
  compactRevision: number,
  reason: string,
): OwnedBytes {
  return new Writer()
    .raw(header)
    .varint(2, id)
    .bool(4, true)
    .varint(5, compactRevision)
    .string(6, reason)
    .finish();
}

/** The content of a length-delimited field whose tag has one byte. */
export function contentOf(field: Uint8Array): Uint8Array {
  let at = 1;
  while (at < field.length && (field[at] as number) > 0x7f) at += 1;
  return field.subarray(at + 1);
}
