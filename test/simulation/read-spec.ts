/** A RangeRequest of the simulation, encoded and decoded independently of src/cache. Field numbers: etcd rpc.proto. */
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { Range } from './store.ts';

/** Numbers as in etcd's API: `none` leaves the order to the target. */
export const sortOrders = { none: 0, ascend: 1, descend: 2 } as const;
export const sortTargets = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;

export interface ReadSpec extends Range {
  /** 0: without a limit. */
  readonly limit: number;
  /** 0: the current one. */
  readonly revision: number;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly isSerializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  /** 0: without a bound. */
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
  /** A field that no release of etcd knows. */
  readonly hasUnknownField: boolean;
}

export const plainRead: ReadSpec = {
  key: '',
  end: '',
  limit: 0,
  revision: 0,
  sortOrder: sortOrders.none,
  sortTarget: sortTargets.key,
  isSerializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
  hasUnknownField: false,
};

export function encodeRead(read: ReadSpec): Uint8Array {
  return new Writer()
    .string(1, read.key)
    .string(2, read.end)
    .varint(3, read.limit)
    .varint(4, read.revision)
    .varint(5, read.sortOrder)
    .varint(6, read.sortTarget)
    .bool(7, read.isSerializable)
    .bool(8, read.keysOnly)
    .bool(9, read.countOnly)
    .varint(10, read.minModRevision)
    .varint(11, read.maxModRevision)
    .varint(12, read.minCreateRevision)
    .varint(13, read.maxCreateRevision)
    .bool(1_000, read.hasUnknownField)
    .finish();
}

export function decodeRead(message: Uint8Array): ReadSpec {
  const texts = ['', '', ''];
  const numbers: number[] = [];
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field <= 2) texts[reader.field] = Buffer.from(reader.bytes()).toString('latin1');
    else numbers[reader.field] = reader.number();
  }
  if (reader.malformed) throw new Error('a malformed range request');
  const number = (field: number): number => numbers[field] ?? 0;
  return {
    key: texts[1] ?? '',
    end: texts[2] ?? '',
    limit: number(3),
    revision: number(4),
    sortOrder: number(5),
    sortTarget: number(6),
    isSerializable: number(7) === 1,
    keysOnly: number(8) === 1,
    countOnly: number(9) === 1,
    minModRevision: number(10),
    maxModRevision: number(11),
    minCreateRevision: number(12),
    maxCreateRevision: number(13),
    hasUnknownField: number(1_000) === 1,
  };
}
