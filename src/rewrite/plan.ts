/**
 * The changes to one message. The scan adds them in the order of the source, then one pass carries them out: in place if
 * the message only shrinks, otherwise into a buffer of the exact size. A change is four integers in one growing array and
 * not an object, because a range of 10,000 keys makes 20,000 of them. A plan contains no message bytes.
 *
 *   source   ….[ removed ]……………[ removed ]…
 *   output   ….[ literal ]……………[ literal ]…
 */

import { varintBytes, writeVarint } from '../protobuf/varint.ts';
import { Action } from './compiled.ts';
import type { Mapping } from './mapping.ts';

/** What replaces the removed bytes. `value` is the fourth integer of the change. */
export const Literal = {
  /** Nothing. */
  NONE: 0,
  /** The varint of `value`. */
  VARINT: 1,
  /** A length of `value`, then the prefix: the rest of the key follows from the source. */
  PREFIX: 2,
  /** Length and bytes of the end of the namespace. */
  PREFIX_END: 3,
  /** Length and bytes of the first possible key of the namespace, the prefix and `\0`. */
  FIRST_KEY: 4,
  /** As FIRST_KEY, as a new field with the number `value`. */
  FIRST_KEY_FIELD: 5,
  /** The prefix alone, as a new field with the number `value`. */
  PREFIX_FIELD: 6,
  /** The stored ID of the visible lease ID `value`. */
  LEASE: 7,
  /** The highest int64, which no stored ID of a lease exceeds. */
  LEASE_MAX: 8,
  /** The stored ID of a lease that cannot exist, as a new field with the number `value`. */
  NO_LEASE_FIELD: 9,
} as const;

/** The literal that replaces an absent field. */
export function defaultLiteral(action: number): number {
  switch (action) {
    case Action.APPLY_KEY_OR_FIRST:
      return Literal.FIRST_KEY_FIELD;
    case Action.APPLY_NAME:
      return Literal.PREFIX_FIELD;
    default:
      return Literal.NO_LEASE_FIELD;
  }
}

/** Length of the varint of the highest int64. */
const leaseMaxBytes = 9;

const stride = 4;
const changesStart = 1024;
/** A larger array, grown for one huge message, is not kept. */
const changesKeptMax = 65_536;

/** Gaps up to this size are copied byte by byte. bench/micro/rewrite.bench.ts, "copy": here `set` costs as much as the loop. */
const loopBytesMax = 24;
/** The same for gaps that are moved within a buffer. "move": `copyWithin` needs no view and costs a third of `set`. */
const moveLoopBytesMax = 16;

export class Plan {
  #entries = new Int32Array(changesStart * stride);
  #used = 0;

  clear(): void {
    this.#used = 0;
    if (this.#entries.length > changesKeptMax * stride) {
      this.#entries = new Int32Array(changesStart * stride);
    }
  }

  /** Appends a change. `at` must not be before the end of the previous change. */
  add(at: number, removed: number, literal: number, value: number): void {
    const used = this.#used;
    if (used === this.#entries.length) this.#grow();
    const entries = this.#entries;
    entries[used] = at;
    entries[used + 1] = removed;
    entries[used + 2] = literal;
    entries[used + 3] = value;
    this.#used = used + stride;
  }

  /** Appends a change that has no effect until `setVarint`. Returns a handle to it. */
  reserve(at: number): number {
    this.add(at, 0, Literal.NONE, 0);
    return this.#used - stride;
  }

  /** Sets a reserved change: a varint of `value` replaces `removed` bytes. */
  setVarint(handle: number, removed: number, value: number): void {
    this.#entries[handle + 1] = removed;
    this.#entries[handle + 2] = Literal.VARINT;
    this.#entries[handle + 3] = value;
  }

  /** Removes a reserved change and all later ones. */
  truncate(handle: number): void {
    this.#used = handle;
  }

  /** Returns the changed message, a new buffer of `source.length + growth` bytes. */
  write(source: Uint8Array, growth: number, mapping: Mapping): Uint8Array {
    const { prefix, prefixEnd, leases } = mapping;
    const target = Buffer.allocUnsafe(source.length + growth);
    const entries = this.#entries;
    const used = this.#used;
    let from = 0;
    let to = 0;
    for (let i = 0; i < used; i += stride) {
      const at = entries[i] as number;
      to = copy(source, from, at, target, to);
      from = at + (entries[i + 1] as number);
      const value = entries[i + 3] as number;
      switch (entries[i + 2] as number) {
        case Literal.VARINT:
          to = writeVarint(target, to, value);
          break;
        case Literal.PREFIX:
          to = writeVarint(target, to, value);
          to = copy(prefix, 0, prefix.length, target, to);
          break;
        case Literal.PREFIX_END:
          to = writeVarint(target, to, prefixEnd.length);
          to = copy(prefixEnd, 0, prefixEnd.length, target, to);
          break;
        case Literal.FIRST_KEY_FIELD:
          to = writeVarint(target, to, (value << 3) | 2);
          to = writeFirstKey(target, to, prefix);
          break;
        case Literal.PREFIX_FIELD:
          to = writeVarint(target, to, (value << 3) | 2);
          to = writeVarint(target, to, prefix.length);
          to = copy(prefix, 0, prefix.length, target, to);
          break;
        case Literal.FIRST_KEY:
          to = writeFirstKey(target, to, prefix);
          break;
        case Literal.LEASE:
          to = leases.write(target, to, value);
          break;
        case Literal.LEASE_MAX:
          target.fill(0xff, to, to + leaseMaxBytes - 1);
          to += leaseMaxBytes;
          target[to - 1] = 0x7f;
          break;
        case Literal.NO_LEASE_FIELD:
          to = writeVarint(target, to, value << 3);
          to = leases.write(target, to, 0);
          break;
      }
    }
    copy(source, from, source.length, target, to);
    return target;
  }

  /**
   * Changes the message in place and returns a view of its `source.length + growth` bytes. Only for plans of responses: no
   * literal is longer than what it replaces, so no byte is overwritten before it was moved.
   */
  writeInPlace(source: Uint8Array, growth: number): Uint8Array {
    const entries = this.#entries;
    const used = this.#used;
    let from = 0;
    let to = 0;
    for (let i = 0; i < used; i += stride) {
      const at = entries[i] as number;
      to = move(source, from, at, to);
      from = at + (entries[i + 1] as number);
      if ((entries[i + 2] as number) === Literal.VARINT) {
        to = writeVarint(source, to, entries[i + 3] as number);
      }
    }
    move(source, from, source.length, to);
    return source.subarray(0, source.length + growth);
  }

  #grow(): void {
    const larger = new Int32Array(this.#entries.length * 2);
    larger.set(this.#entries);
    this.#entries = larger;
  }
}

/** Size of a literal. The scan adds the sizes up, so that `write` can allocate the exact buffer. */
export function literalBytes(literal: number, value: number, mapping: Mapping): number {
  const prefixBytes = mapping.prefix.length;
  switch (literal) {
    case Literal.VARINT:
      return varintBytes(value);
    case Literal.PREFIX:
      return varintBytes(value) + prefixBytes;
    case Literal.PREFIX_END:
      return varintBytes(mapping.prefixEnd.length) + mapping.prefixEnd.length;
    case Literal.FIRST_KEY:
      return varintBytes(prefixBytes + 1) + prefixBytes + 1;
    case Literal.FIRST_KEY_FIELD:
      return varintBytes(value << 3) + varintBytes(prefixBytes + 1) + prefixBytes + 1;
    case Literal.PREFIX_FIELD:
      return varintBytes(value << 3) + varintBytes(prefixBytes) + prefixBytes;
    case Literal.LEASE:
      return mapping.leases.bytes(value);
    case Literal.LEASE_MAX:
      return leaseMaxBytes;
    case Literal.NO_LEASE_FIELD:
      return varintBytes(value << 3) + mapping.leases.bytes(0);
    default:
      return 0;
  }
}

function writeFirstKey(target: Uint8Array, offset: number, prefix: Uint8Array): number {
  let to = writeVarint(target, offset, prefix.length + 1);
  to = copy(prefix, 0, prefix.length, target, to);
  target[to] = 0;
  return to + 1;
}

/** Copies source[from, end) to the target and returns the offset after it. */
function copy(
  source: Uint8Array,
  from: number,
  end: number,
  target: Uint8Array,
  offset: number,
): number {
  if (end - from > loopBytesMax) {
    target.set(source.subarray(from, end), offset);
    return offset + end - from;
  }
  let to = offset;
  for (let at = from; at < end; at++) target[to++] = source[at] as number;
  return to;
}

/** Moves bytes[from, end) to `offset`, which must not exceed `from`, and returns the offset after it. */
function move(bytes: Uint8Array, from: number, end: number, offset: number): number {
  if (offset === from) return end;
  if (end - from > moveLoopBytesMax) {
    bytes.copyWithin(offset, from, end);
    return offset + end - from;
  }
  let to = offset;
  for (let at = from; at < end; at++) bytes[to++] = bytes[at] as number;
  return to;
}
