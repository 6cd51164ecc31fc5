/**
 * Encodes a TxnRequest of simple operations into one buffer. An import makes thousands of large ones, for which the general
 * `Writer` allocates too much.
 */
import { int64Varint, varintBytes, writeVarint } from '../../protobuf/varint.ts';
import { asOwned, type OwnedBytes } from '../../runtime/owned-bytes.ts';

/** Field numbers and wire types, as the byte that begins a field. */
const Tag = {
  txnCompare: 0x0a,
  txnSuccess: 0x12,
  opPut: 0x12,
  opDelete: 0x1a,
  compareTarget: 0x10,
  compareKey: 0x1a,
  compareVersion: 0x20,
  compareModRevision: 0x30,
  key: 0x0a,
  value: 0x12,
  lease: 0x18,
} as const;

/** CompareTarget of the API. */
const Target = { VERSION: 0, MOD: 2 } as const;

type Part =
  | { readonly kind: 'compare'; readonly key: Uint8Array; readonly operand: Uint8Array }
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly lease: Uint8Array;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array };

const noBytes: Uint8Array = new Uint8Array(0);

export class TxnRequest {
  readonly #parts: Part[] = [];
  #bytes = 0;
  /** Operations of `success`, by kind. */
  puts = 0;
  deletes = 0;

  /** Of `success`. etcd limits them, and the compares, to --max-txn-ops each. */
  get operations(): number {
    return this.puts + this.deletes;
  }

  /** Of the encoded request. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The transaction succeeds only if the key does not exist. */
  requireAbsent(key: Uint8Array): void {
    // An operand of 0 is written, because etcd requires one.
    const operand = Uint8Array.of(Tag.compareTarget, Target.VERSION, Tag.compareVersion, 0);
    this.#add({ kind: 'compare', key, operand });
  }

  /** The transaction succeeds only if the last change of the key was at this revision; 0 if the key does not exist. */
  requireRevision(key: Uint8Array, revision: number): void {
    const operand = Buffer.concat([
      Uint8Array.of(Tag.compareTarget, Target.MOD, Tag.compareModRevision),
      int64Varint(BigInt(revision)),
    ]);
    this.#add({ kind: 'compare', key, operand });
  }

  /** `lease` 0n: none. */
  put(key: Uint8Array, value: Uint8Array, lease: bigint): void {
    this.puts += 1;
    this.#add({ kind: 'put', key, value, lease: lease === 0n ? noBytes : int64Varint(lease) });
  }

  delete(key: Uint8Array): void {
    this.deletes += 1;
    this.#add({ kind: 'delete', key });
  }

  finish(): OwnedBytes {
    const target = Buffer.allocUnsafeSlow(this.#bytes);
    let at = 0;
    for (const part of this.#parts) at = writePart(target, at, part);
    return asOwned(target);
  }

  #add(part: Part): void {
    this.#parts.push(part);
    this.#bytes += fieldBytes(innerBytes(part));
  }
}

/** How much a put adds to a request, with the compare that requires its key to be absent if `isGuarded`. */
export function putBytes(key: Uint8Array, value: Uint8Array, isGuarded: boolean): number {
  const put = fieldBytes(fieldBytes(fieldBytes(key.length) + fieldBytes(value.length) + 11));
  return isGuarded ? put + fieldBytes(fieldBytes(key.length) + 4) : put;
}

/** A length-delimited field with a tag of one byte. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function operationBytes(part: Exclude<Part, { kind: 'compare' }>): number {
  if (part.kind === 'delete') return fieldBytes(part.key.length);
  const lease = part.lease.length === 0 ? 0 : 1 + part.lease.length;
  return fieldBytes(part.key.length) + fieldBytes(part.value.length) + lease;
}

/** Of the message in the field of the transaction. */
function innerBytes(part: Part): number {
  if (part.kind === 'compare') return part.operand.length + fieldBytes(part.key.length);
  return fieldBytes(operationBytes(part));
}

function writePart(target: Buffer, start: number, part: Part): number {
  let at = start;
  target[at++] = part.kind === 'compare' ? Tag.txnCompare : Tag.txnSuccess;
  at = writeVarint(target, at, innerBytes(part));
  if (part.kind === 'compare') {
    target.set(part.operand, at);
    return writeField(target, at + part.operand.length, Tag.compareKey, part.key);
  }
  target[at++] = part.kind === 'put' ? Tag.opPut : Tag.opDelete;
  at = writeVarint(target, at, operationBytes(part));
  at = writeField(target, at, Tag.key, part.key);
  if (part.kind === 'delete') return at;
  at = writeField(target, at, Tag.value, part.value);
  if (part.lease.length === 0) return at;
  target[at++] = Tag.lease;
  target.set(part.lease, at);
  return at + part.lease.length;
}

function writeField(target: Buffer, start: number, tag: number, bytes: Uint8Array): number {
  target[start] = tag;
  const at = writeVarint(target, start + 1, bytes.length);
  target.set(bytes, at);
  return at + bytes.length;
}
