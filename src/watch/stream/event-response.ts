/**
 * Event responses of one watcher: a few bytes of its own (header, watch ID) in front of events that all watchers of a view
 * share. Fields are in etcd's order.
 */
import { Reader } from '../../protobuf/reader.ts';
import type { Chunk } from '../hub/batch.ts';

/**
 * etcd cuts a response of at least this size into fragments if the watcher asked for that: --max-request-bytes and 512 KiB
 * (sendFragments in etcd's server/etcdserver/api/v3rpc/watch.go).
 */
const fragmentBytesMin = 2 << 20;
/** WatchResponse.fragment, field 7, true. */
const fragmentFlag = [0x38, 0x01] as const;

const scratch = new Uint8Array(256);
/** Views of `scratch` by length, because creating one costs more than filling it. */
const heads: Uint8Array[] = [];

/** The head of a response. Valid until the next call. `header` is the `header` field with its tag. */
export function headOf(header: Uint8Array, idField: Uint8Array, isFragment: boolean): Uint8Array {
  const length = header.length + idField.length;
  const head = length + 2 <= scratch.length ? scratch : new Uint8Array(length + 2);
  // Loops, because a call of `set` costs more than copying a few bytes.
  for (let i = 0; i < header.length; i++) head[i] = header[i] as number;
  for (let i = 0; i < idField.length; i++) head[header.length + i] = idField[i] as number;
  let end = length;
  if (isFragment) {
    head[end++] = fragmentFlag[0];
    head[end++] = fragmentFlag[1];
  }
  if (head !== scratch) return head.subarray(0, end);
  const known = heads[end];
  if (known !== undefined) return known;
  const view = scratch.subarray(0, end);
  heads[end] = view;
  return view;
}

/** Whether a watcher that asked for fragments receives the chunk in pieces. */
export function mustFragment({ events, count }: Chunk): boolean {
  return count > 1 && events.length >= fragmentBytesMin;
}

/** The events of a chunk in pieces that each stay below the size of a fragment, unless a single event is larger. */
export function fragmentsOf({ events }: Chunk): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const reader = new Reader(events);
  let start = 0;
  while (reader.next()) {
    const isFull = reader.fieldEnd - start >= fragmentBytesMin;
    if (!isFull || reader.fieldStart === start) continue;
    pieces.push(events.subarray(start, reader.fieldStart));
    start = reader.fieldStart;
  }
  pieces.push(events.subarray(start));
  return pieces;
}
