/**
 * The few etcd messages that the benchmark sends and the few fields that it reads, encoded and decoded by hand. It does not
 * use the encoder of etcd-bulkhead, because a bug there would then go unnoticed.
 */

/** The varint of a lease ID. An ID has up to 63 bits, more than a number holds exactly. */
export type LeaseId = Buffer;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function bytesField(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
}

/** One gRPC message on the wire: not compressed, its length, its bytes. */
export function grpcFrame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export function putRequest(key: string, value: Uint8Array): Buffer {
  return Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, value)]);
}

/** A read of one key, or of `[key, rangeEnd)`. Linearizable unless it is serializable. */
export function rangeRequest(key: string, rangeEnd?: string, isSerializable = false): Buffer {
  const fields = [bytesField(1, Buffer.from(key))];
  if (rangeEnd !== undefined) fields.push(bytesField(2, Buffer.from(rangeEnd)));
  if (isSerializable) fields.push(varintField(7, 1));
  return Buffer.concat(fields);
}

function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

/** A WatchRequest whose `create_request` names one key, or `[key, rangeEnd)`. 0: from now on. */
export function watchCreateRequest(key: string, rangeEnd?: string, startRevision = 0): Buffer {
  const fields = [rangeRequest(key, rangeEnd)];
  if (startRevision > 0) fields.push(varintField(3, startRevision));
  return bytesField(1, Buffer.concat(fields));
}

/** A LeaseGrantRequest. etcd chooses the ID. */
export function leaseGrantRequest(ttlSeconds: number): Buffer {
  return varintField(1, ttlSeconds);
}

/** A LeaseKeepAliveRequest. */
export function leaseKeepAliveRequest(id: LeaseId): Buffer {
  return Buffer.concat([varint(1 * 8), id]);
}

/** A PutRequest whose key is attached to a lease. */
export function leasedPutRequest(key: string, value: Uint8Array, lease: LeaseId): Buffer {
  return Buffer.concat([putRequest(key, value), varint(3 * 8), lease]);
}

interface Field {
  readonly number: number;
  /** A varint's value, or for a length-delimited field its bytes. */
  readonly value: number | Uint8Array;
  /** The bytes of the value without the tag. */
  readonly raw: Buffer;
}

function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = message[at];
      if (byte === undefined) {
        throw new RangeError('a protobuf message that ends within a number');
      }
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        return value;
      }
      scale *= 128;
    }
  };
  while (at < message.length) {
    const tag = readVarint();
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    const start = at;
    if (wireType === 0) {
      const value = readVarint();
      yield { number, value, raw: Buffer.from(message.subarray(start, at)) };
    } else if (wireType === 2) {
      const length = readVarint();
      const value = message.subarray(at, at + length);
      yield { number, value, raw: Buffer.from(message.subarray(start, at + length)) };
      at += length;
    } else {
      throw new RangeError(`wire type ${wireType} does not occur in the messages read here`);
    }
  }
}

function find(message: Uint8Array, number: number): number | Uint8Array | undefined {
  for (const field of fieldsOf(message)) {
    if (field.number === number) {
      return field.value;
    }
  }
  return undefined;
}

/** `header.revision` of any etcd response. Exact up to 2^53; the larger IDs in the header are not read. */
export function revisionOf(response: Uint8Array): number {
  const header = find(response, 1);
  const revision = header instanceof Uint8Array ? find(header, 3) : undefined;
  return typeof revision === 'number' ? revision : 0;
}

/** `ID` of a LeaseGrantResponse. */
export function leaseIdOf(response: Uint8Array): LeaseId {
  for (const field of fieldsOf(response)) {
    if (field.number === 2 && typeof field.value === 'number') return field.raw;
  }
  throw new Error('a grant without an ID');
}

/** The keys and values of a RangeResponse. */
export function keyValuesOf(response: Uint8Array): { key: string; value: Uint8Array }[] {
  const found: { key: string; value: Uint8Array }[] = [];
  for (const field of fieldsOf(response)) {
    if (field.number === 2 && field.value instanceof Uint8Array) {
      const key = find(field.value, 1);
      const value = find(field.value, 5);
      found.push({
        key: key instanceof Uint8Array ? Buffer.from(key).toString() : '',
        value: value instanceof Uint8Array ? value : new Uint8Array(),
      });
    }
  }
  return found;
}

/** Whether a WatchResponse reports a created watch that was not cancelled at once. */
export function isWatchCreated(response: Uint8Array): boolean {
  return find(response, 3) === 1 && find(response, 4) !== 1;
}

/** `LeaseKeepAliveResponse.TTL`, 0 if the lease has expired. */
export function renewedTtlOf(response: Uint8Array): number {
  const ttl = find(response, 3);
  return typeof ttl === 'number' ? ttl : 0;
}
