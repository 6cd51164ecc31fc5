/** One event of a feed as a change of a cached range. Field numbers: etcd api/mvccpb/kv.proto. */
import { Reader } from '../protobuf/reader.ts';
import { type Entry, readEntry } from './entry.ts';

/** `entry` is null for a deleted key. */
export interface Change {
  readonly key: string;
  readonly entry: Entry | null;
}

/** The changes in the `events` fields of a batch, in their order. Null if an event is malformed. */
export function changesOf(events: Uint8Array): readonly Change[] | null {
  const changes: Change[] = [];
  const reader = new Reader(events);
  while (reader.next()) {
    const change = changeOf(reader.message());
    if (change === null) return null;
    changes.push(change);
  }
  return reader.malformed ? null : changes;
}

function changeOf(event: Reader): Change | null {
  let isDelete = false;
  let entry: Entry | null = null;
  while (event.next()) {
    if (event.field === 1) isDelete = event.number() === 1;
    else if (event.field === 2) entry = readEntry(event);
  }
  if (event.malformed || entry === null) return null;
  return { key: entry.key, entry: isDelete ? null : entry };
}
