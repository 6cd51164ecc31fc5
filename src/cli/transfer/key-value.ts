/**
 * Reads etcd's `KeyValue` messages in place. A `KeyValue` keeps the bytes as etcd encoded them, so that a command can store
 * or compare them without a copy.
 */
import { Reader, WireType } from '../../protobuf/reader.ts';

/** Holds offsets: views are made when they are asked for, because most keys of an export need none. */
export class KeyValue {
  /** 0n: none. */
  readonly lease: bigint;
  /** Revision of the last change, rounded above 2^53. */
  readonly modRevision: number;
  readonly #source: Uint8Array;
  readonly #keyStart: number;
  readonly #keyEnd: number;
  readonly #valueStart: number;
  readonly #valueEnd: number;

  private constructor(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    lease: bigint,
    modRevision: number,
  ) {
    this.#source = source;
    this.#keyStart = keyStart;
    this.#keyEnd = keyEnd;
    this.#valueStart = valueStart;
    this.#valueEnd = valueEnd;
    this.lease = lease;
    this.modRevision = modRevision;
  }

  /** Returns null for bytes that are not a `KeyValue`. */
  static read(source: Uint8Array, start: number, end: number): KeyValue | null {
    const reader = new Reader(source, start, end);
    let [keyStart, keyEnd, valueStart, valueEnd] = [0, 0, 0, 0];
    let lease = 0n;
    let modRevision = 0;
    let isValid = true;
    while (reader.next()) {
      const { field } = reader;
      if (field === 1 || field === 5) {
        isValid &&= reader.wireType === WireType.LEN;
        if (field === 1) [keyStart, keyEnd] = [reader.valueStart, reader.fieldEnd];
        else [valueStart, valueEnd] = [reader.valueStart, reader.fieldEnd];
      } else if (field === 6) lease = reader.int64();
      else if (field === 3) modRevision = reader.number();
    }
    if (reader.malformed || !isValid) return null;
    return new KeyValue(source, keyStart, keyEnd, valueStart, valueEnd, lease, modRevision);
  }

  get key(): Uint8Array {
    return this.#source.subarray(this.#keyStart, this.#keyEnd);
  }

  get value(): Uint8Array {
    return this.#source.subarray(this.#valueStart, this.#valueEnd);
  }
}

/** The parts of a ResponseHeader that these commands use. */
export interface Header {
  readonly revision: number;
  /** As 16 hexadecimal digits. */
  readonly clusterId: string;
}

export const noHeader: Header = { revision: 0, clusterId: '' };

export function readHeader(reader: Reader): Header {
  let { revision, clusterId } = noHeader;
  while (reader.next()) {
    if (reader.field === 1) {
      clusterId = BigInt.asUintN(64, reader.int64()).toString(16).padStart(16, '0');
    } else if (reader.field === 3) revision = reader.number();
  }
  return { revision, clusterId };
}

/** A RangeResponse. */
export interface Page {
  readonly header: Header;
  readonly keyValues: readonly KeyValue[];
  /** The fields `kvs` of the response as one piece, if etcd sent them in a row. It does. */
  readonly encoded: Uint8Array;
  /** Where the field of each key ends in `encoded`. */
  readonly ends: readonly number[];
  readonly count: number;
  readonly hasMore: boolean;
}

/** Throws for bytes that are not a RangeResponse. */
export function readPage(response: Uint8Array): Page {
  const reader = new Reader(response);
  const keyValues: KeyValue[] = [];
  const ends: number[] = [];
  let header = noHeader;
  let count = 0;
  let hasMore = false;
  let start = 0;
  let end = 0;
  while (reader.next()) {
    if (reader.field === 1) header = readHeader(reader.message());
    else if (reader.field === 2) {
      const found = KeyValue.read(response, reader.valueStart, reader.fieldEnd);
      if (found === null || (keyValues.length > 0 && end !== reader.fieldStart)) throw malformed();
      if (keyValues.length === 0) start = reader.fieldStart;
      end = reader.fieldEnd;
      keyValues.push(found);
      ends.push(end - start);
    } else if (reader.field === 3) hasMore = reader.bool();
    else if (reader.field === 4) count = reader.number();
  }
  if (reader.malformed || (hasMore && keyValues.length === 0)) throw malformed();
  return { header, keyValues, encoded: response.subarray(start, end), ends, count, hasMore };
}

function malformed(): Error {
  return new Error('the response of etcd is malformed');
}
