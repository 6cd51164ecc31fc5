/**
 * Recognizes the response with which etcd rejects the create of a watch, without reading the events of other responses: etcd writes
 * the fields of a WatchResponse in the order of their numbers, and such a response has no events.
 */
import { Reader } from '../protobuf/reader.ts';

/** A header takes at most 46 bytes, and etcd's texts less than 200. */
const responseBytesMax = 512;

const Field = { CREATED: 3, CANCELED: 4, CANCEL_REASON: 6 } as const;

/** Returns the reason, or null if `response` is another response or gives none. */
export function rejectedCreateReason(response: Uint8Array): string | null {
  if (response.length > responseBytesMax) return null;
  const reader = new Reader(response);
  let isCreated = false;
  let isCanceled = false;
  while (reader.next()) {
    if (reader.field === Field.CREATED) isCreated = reader.bool();
    else if (reader.field === Field.CANCELED) isCanceled = reader.bool();
    else if (reader.field === Field.CANCEL_REASON) {
      return isCreated && isCanceled ? Buffer.from(reader.bytes()).toString() : null;
    } else if (reader.field > Field.CANCEL_REASON) return null;
  }
  return null;
}
