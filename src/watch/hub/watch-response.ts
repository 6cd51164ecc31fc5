/**
 * Reads a WatchResponse from upstream once per feed, in one pass: the fields that decide what it means, and where its events
 * are. One object per upstream stream that is read into again and again. Field numbers: etcd api/etcdserverpb/rpc.proto and
 * api/mvccpb/kv.proto.
 */
import { Reader, WireType } from '../../protobuf/reader.ts';
import { varintEnd } from '../../protobuf/varint.ts';

const noBytes: Uint8Array = new Uint8Array(0);

export class WatchResponse {
  message: Uint8Array = noBytes;
  /** The `header` field with its tag. */
  header: Uint8Array = noBytes;
  /** Revision in the header, 0 if it has none. */
  revision = 0;
  /** -1 for a progress response of the whole stream, and for a rejected create. */
  watchId = 0;
  isCreated = false;
  isCanceled = false;
  isFragment = false;
  compactRevision = 0;
  cancelReason = '';
  events = 0;
  /** Per event: where its field begins and ends in `message`, tag included, and its revision. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly revisions: number[] = [];
  /** Offset after the varint that `#varint` has read. */
  #cursor = 0;

  /** etcd reports a stale token of the proxy's own login in the response to a create. Clients must not see it. */
  get isStaleToken(): boolean {
    return (
      this.cancelReason.includes('invalid auth token') ||
      this.cancelReason.includes('revision of auth store is old') ||
      this.cancelReason.includes('user name is empty')
    );
  }

  /** Returns false if the message is malformed. */
  read(message: Uint8Array): boolean {
    this.message = message;
    this.header = noBytes;
    this.revision = 0;
    this.watchId = 0;
    this.isCreated = false;
    this.isCanceled = false;
    this.isFragment = false;
    this.compactRevision = 0;
    this.cancelReason = '';
    this.events = 0;
    const reader = new Reader(message);
    while (reader.next()) this.#field(reader);
    return !reader.malformed;
  }

  #field(reader: Reader): void {
    switch (reader.field) {
      case 1:
        this.header = reader.raw();
        this.revision = this.#revisionOfHeader(reader.valueStart, reader.fieldEnd);
        break;
      case 2:
        this.watchId = reader.number();
        break;
      case 3:
        this.isCreated = reader.bool();
        break;
      case 4:
        this.isCanceled = reader.bool();
        break;
      case 5:
        this.compactRevision = reader.number();
        break;
      case 6:
        this.cancelReason = Buffer.from(reader.bytes()).toString('utf8');
        break;
      case 7:
        this.isFragment = reader.bool();
        break;
      case 11:
        if (reader.wireType !== WireType.LEN) break;
        this.starts[this.events] = reader.fieldStart;
        this.ends[this.events] = reader.fieldEnd;
        this.revisions[this.events] = this.#modRevision(reader.valueStart, reader.fieldEnd);
        this.events += 1;
        break;
    }
  }

  /** ResponseHeader.revision, field 3. */
  #revisionOfHeader(start: number, end: number): number {
    return this.#varintField(start, end, 3);
  }

  /** Event.kv, field 2, and in it KeyValue.mod_revision, field 3. */
  #modRevision(start: number, end: number): number {
    for (let at = start; at < end; ) {
      const tag = this.message[at] as number;
      if ((tag & 7) === WireType.VARINT) {
        at = varintEnd(this.message, at + 1, end);
        if (at < 0) return 0;
        continue;
      }
      const length = this.#varint(at + 1, end);
      if ((tag & 7) !== WireType.LEN || length < 0) return 0;
      const contentEnd = this.#cursor + length;
      if (tag >>> 3 === 2) return this.#varintField(this.#cursor, Math.min(contentEnd, end), 3);
      at = contentEnd;
    }
    return 0;
  }

  /** The varint at `field` of message[start, end), 0 if it is absent. All tags in these messages have one byte. */
  #varintField(start: number, end: number, field: number): number {
    for (let at = start; at < end; ) {
      const tag = this.message[at] as number;
      const value = this.#varint(at + 1, end);
      if (value < 0) return 0;
      if ((tag & 7) === WireType.VARINT) {
        if (tag >>> 3 === field) return value;
        at = this.#cursor;
      } else if ((tag & 7) === WireType.LEN) at = this.#cursor + value;
      else return 0;
    }
    return 0;
  }

  /** Reads a varint that fits a number, which revisions and lengths do. Returns -1 if it is cut off. */
  #varint(start: number, end: number): number {
    let value = 0;
    let scale = 1;
    for (let at = start; at < end; at++, scale *= 0x80) {
      const byte = this.message[at] as number;
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      this.#cursor = at + 1;
      return value;
    }
    return -1;
  }
}
