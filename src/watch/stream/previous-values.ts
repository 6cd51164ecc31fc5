/**
 * Previous values at a compaction. etcd reads the previous value of an event at the revision before it, which an event of the
 * compacted revision does not have any more. The compaction of a tenant is virtual, so etcd still sends the value, and it is removed
 * here.
 */
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';

/** In WatchResponse. */
const eventsField = 11;
/** In Event. */
const kvField = 2;
const prevKvField = 3;
/** In KeyValue. */
const modRevisionField = 3;

/**
 * `fields` without the previous values of events up to `floor`, the compacted revision. They are those of a WatchResponse, or its
 * events alone. Returns `fields` itself if no event has one: events are in the order of their revisions.
 */
export function withoutPreviousBelow(fields: Uint8Array, floor: number): Uint8Array {
  const reader = new Reader(fields);
  let written: Writer | null = null;
  while (reader.next()) {
    if (reader.field !== eventsField) {
      written?.raw(reader.raw());
      continue;
    }
    const event = reader.bytes();
    if (revisionOf(event) <= floor) {
      written ??= new Writer().raw(fields.subarray(0, reader.fieldStart));
      written.message(eventsField, withoutPrevious(event));
    } else if (written === null) return fields;
    else written.raw(reader.raw());
  }
  return written?.finish() ?? fields;
}

function revisionOf(event: Uint8Array): number {
  const reader = new Reader(event);
  let revision = 0;
  while (reader.next()) {
    if (reader.field !== kvField) continue;
    const kv = reader.message();
    while (kv.next()) if (kv.field === modRevisionField) revision = kv.number();
  }
  return revision;
}

function withoutPrevious(event: Uint8Array): Uint8Array {
  const written = new Writer();
  const reader = new Reader(event);
  while (reader.next()) if (reader.field !== prevKvField) written.raw(reader.raw());
  return written.finish();
}
