/**
 * One pass over a message: finds what has to change and puts it into a plan, and checks on the way what etcd would have
 * checked on the visible keys. Recursive over messages, one loop over the fields of each. Changes nothing itself.
 *
 * It reads protobuf more strictly than etcd does, because a byte string that two parsers read differently is a way around
 * the namespace. etcd has had two parsers: the one gogo/protobuf generated (to 3.6) and protobuf-go's (3.7). Refused as
 * malformed, beyond what is not protobuf at all:
 * - tags of more than 32 bits: gogo's parser cuts the field number to an int32, so that it sees field 1 in a tag that
 *   means field 2^32 + 1 to us. etcd 3.4.23 was seen to read the raw key in such a field instead of the one in field 1;
 * - varints with a tenth byte over 1: gogo's drops the excess bits, protobuf-go's refuses;
 * - lengths of more than five bytes or 32 bits, which no encoder writes;
 * - groups and the two unused wire types: skipping them is where parsers differ most, and the API has none;
 * - a field we rewrite with another wire type: gogo's refuses, protobuf-go's takes it for an unknown field.
 * Non-minimal varints within these bounds mean the same to all and pass. A second occurrence of what we rewrite is its
 * own fault: parsers merge, replace or take the last.
 *
 * Order of faults, as a client of etcd would meet them: `malformed` first, because etcd parses before it checks; then
 * what only we refuse; then the first of etcd's own checks in etcd's order, that is per list of a transaction and not in
 * the order of the bytes.
 *
 * One loop and integers for state: it is on the way of every message. bench/micro/rewrite.bench.ts (2-core VM, Node 24,
 * 2026-11), writing included: a get 0.1 µs, a put of 256 B 0.15 µs, 10,000 keys of 256 B 1.1 ms.
 * Oracle: test/support/slow-rewriter.ts.
 */

import { Int64 } from '../protobuf/int64.ts';
import { varintBytes, varintEnd } from '../protobuf/varint.ts';
import { Action, type CompiledMessage, Want } from './compiled.ts';
import type { WireFault } from './fault.ts';
import { nestingMax } from './field-table.ts';
import type { Mapping } from './mapping.ts';
import { Literal, literalBytes, Plan } from './plan.ts';

/** Faults that are etcd's own checks, small integers so that the scan compares no strings. */
const Check = { PASSED: 0, KEY: 1, OPERATION: 2, SORT: 3, NESTED: 4 } as const;
const checkFaults: readonly WireFault[] = [
  'malformed', // stands for PASSED, which is never looked up
  'key-empty',
  'operation-empty',
  'sort-option',
  'operations-nested',
];

const nothing = new Uint8Array(0);
const noMapping: Mapping = { prefix: nothing, prefixEnd: nothing, leaseTag: 0 };

/** Scratch space: one per process is enough, since a scan runs to its end without calling out. */
export class Scan {
  /** Lease IDs of another tag in the last message, listed ones apart. */
  foreignLeases = 0;
  readonly #plan = new Plan();
  #source: Uint8Array = nothing;
  #mapping: Mapping = noMapping;
  #isResponse = false;
  #isIdentity = false;
  #depth = 0;
  #isChanged = false;

  // Outcomes. The first two concern the whole message and stay set; the others the message that was scanned last.
  #isMalformed = false;
  #refusal: WireFault | null = null;
  #check: number = Check.PASSED;
  #isDropped = false;

  /** Where #uint32 stopped. */
  #cursor = 0;
  readonly #int64 = new Int64();

  rewrite(
    source: Uint8Array,
    root: CompiledMessage,
    mapping: Mapping,
    isResponse: boolean,
  ): Uint8Array | WireFault {
    this.#plan.clear();
    this.#source = source;
    this.#mapping = mapping;
    this.#isResponse = isResponse;
    this.#isIdentity = mapping.prefix.length === 0;
    this.#depth = 0;
    this.#isChanged = false;
    this.#isMalformed = false;
    this.#refusal = null;
    this.#isDropped = false;
    this.foreignLeases = 0;
    const growth = this.#message(root, 0, source.length);
    // Neither the message nor the mapping may outlive the call in here.
    this.#source = nothing;
    this.#mapping = noMapping;
    if (this.#isMalformed) return 'malformed';
    if (this.#refusal !== null) return this.#refusal;
    if (this.#check !== Check.PASSED) return checkFaults[this.#check] as WireFault;
    if (!this.#isChanged) return source;
    return isResponse
      ? this.#plan.writeInPlace(source, growth)
      : this.#plan.write(source, growth, mapping);
  }

  /** Scans source[start, end) and returns by how many bytes it grows. */
  #message(compiled: CompiledMessage, start: number, end: number): number {
    const source = this.#source;
    const { actions, claims } = compiled;
    let at = start;
    let growth = 0;
    let claimed = 0;
    let satisfied = 0;
    let isSortOdd = false;
    let check: number = Check.PASSED;
    let checkField = 0;
    while (at < end) {
      const fieldStart = at;
      let tag = source[at++] as number;
      if (tag > 0x7f) {
        tag = this.#uint32(fieldStart, end);
        at = this.#cursor;
      }
      const field = tag >>> 3;
      if (tag < 0 || field === 0) return this.#malformed();
      const action = field < actions.length ? (actions[field] as number) : Action.PASS;
      const claim = field < claims.length ? (claims[field] as number) : 0;
      if (claim !== 0) {
        if ((claimed & claim) !== 0) {
          // etcd repeats nothing in a response, so this is not from etcd.
          if (this.#isResponse) return this.#malformed();
          this.#refusal = 'field-duplicate';
        }
        claimed |= claim;
        if (action === Action.PASS) satisfied |= claim;
      }

      switch (tag & 7) {
        case 0: {
          if (action === Action.PASS) {
            // Most are a byte or few, and then a call would be the larger part of the work.
            const near = Math.min(at + 4, end);
            let past = at;
            while (past < near && (source[past] as number) > 0x7f) past++;
            at = past < near ? past + 1 : varintEnd(source, at, end);
            if (at < 0) return this.#malformed();
            break;
          }
          if (action <= Action.lastOfBytes || !this.#int64.read(source, at, end))
            return this.#malformed();
          const valueStart = at;
          const { end: past, low, high, isNegative } = this.#int64;
          at = past;
          if (action === Action.CHECK_ENUM) {
            const max = compiled.enumMaxes[field] as number;
            if (isNegative || high > 0 || low > max) isSortOdd = true;
          } else if (!this.#isIdentity) {
            growth += this.#lease(action, valueStart);
            if (action === Action.STRIP_LISTED_LEASE && this.#isOwnLease && low > 0) {
              satisfied |= claim;
            }
          }
          break;
        }
        case 2: {
          const lengthStart = at;
          if (at === end) return this.#malformed();
          let length = source[at++] as number;
          if (length > 0x7f) {
            const high = at < end ? (source[at] as number) : 0x80;
            if (high < 0x80) {
              length = (length & 0x7f) | (high << 7);
              at++;
            } else {
              length = this.#uint32(lengthStart, end);
              at = this.#cursor;
            }
          }
          if (length < 0 || length > end - at) return this.#malformed();
          const valueStart = at;
          at += length;
          switch (action) {
            case Action.PASS:
              break;
            case Action.APPLY_KEY:
              if (length === 0) break;
              satisfied |= claim;
              growth += this.#applyKey(lengthStart, valueStart, length);
              break;
            case Action.APPLY_KEY_OR_FIRST:
              growth +=
                length > 0
                  ? this.#applyKey(lengthStart, valueStart, length)
                  : this.#change(lengthStart, valueStart - lengthStart, Literal.FIRST_KEY, 0);
              break;
            case Action.APPLY_NAME:
              growth += this.#applyKey(lengthStart, valueStart, length);
              break;
            case Action.APPLY_RANGE_END:
              growth += this.#applyRangeEnd(fieldStart, lengthStart, valueStart, length);
              break;
            case Action.STRIP_KEY:
              if (!this.#isOwnKey(valueStart, length)) break;
              satisfied |= claim;
              growth += this.#stripKey(lengthStart, valueStart, length);
              break;
            case Action.STRIP_LISTED_KEY:
              growth += this.#isOwnKey(valueStart, length)
                ? this.#stripKey(lengthStart, valueStart, length)
                : this.#change(fieldStart, at - fieldStart, Literal.NONE, 0);
              break;
            case Action.NESTED_MESSAGE:
            case Action.MESSAGE: {
              satisfied |= claim;
              const isNested = action === Action.NESTED_MESSAGE;
              if (isNested && this.#depth === nestingMax) {
                if (this.#isResponse) return this.#malformed();
                this.#check = Check.NESTED;
              } else {
                const child = compiled.children[field] as CompiledMessage;
                const handle = this.#plan.reserve(lengthStart);
                if (isNested) this.#depth += 1;
                const grown = this.#message(child, valueStart, at);
                if (isNested) this.#depth -= 1;
                if (this.#isMalformed) return 0;
                if (this.#isDropped) {
                  this.#isDropped = false;
                  this.#plan.forget(handle);
                  growth += this.#change(fieldStart, at - fieldStart, Literal.NONE, 0);
                } else if (grown !== 0) {
                  const lengthBytes = valueStart - lengthStart;
                  this.#plan.setVarint(handle, lengthBytes, length + grown);
                  growth += grown + varintBytes(length + grown) - lengthBytes;
                }
              }
              if (this.#check !== Check.PASSED && (check === 0 || field < checkField)) {
                check = this.#check;
                checkField = field;
              }
              break;
            }
            default:
              return this.#malformed();
          }
          break;
        }
        case 1:
        case 5: {
          at += (tag & 7) === 1 ? 8 : 4;
          if (action !== Action.PASS || at > end) return this.#malformed();
          break;
        }
        default:
          return this.#malformed();
      }
    }

    for (const field of compiled.defaultFields) {
      if ((claimed & (claims[field] as number)) !== 0) continue;
      growth += this.#change(end, 0, defaultOf(actions[field] as number), field);
    }
    if ((satisfied & compiled.required) !== compiled.required) check = this.#miss(compiled, check);
    else if (isSortOdd) check = Check.SORT;
    this.#check = check;
    return growth;
  }

  /** A required field was not there, or not as it had to be. Returns the check that failed, or the one given. */
  #miss(compiled: CompiledMessage, check: number): number {
    switch (compiled.want) {
      case Want.KEY:
        return Check.KEY;
      case Want.OPERATION:
        return Check.OPERATION;
      case Want.OWN_KEY:
        this.#refusal = 'namespace-violation';
        return check;
      default:
        this.#isDropped = true;
        return check;
    }
  }

  /** Adds a change, unless nothing is to be changed, and returns by how many bytes the message grows with it. */
  #change(at: number, removed: number, literal: number, value: number): number {
    if (this.#isIdentity) return 0;
    this.#isChanged = true;
    this.#plan.add(at, removed, literal, value);
    return literalBytes(literal, value, this.#mapping) - removed;
  }

  #applyKey(lengthStart: number, valueStart: number, length: number): number {
    const stored = length + this.#mapping.prefix.length;
    return this.#change(lengthStart, valueStart - lengthStart, Literal.PREFIX, stored);
  }

  /**
   * An empty end that is present is left out. To etcd it is another thing than an absent one: gogo's parser makes a slice of
   * it that is not nil, and reads that are not proposed (a Range, a transaction without writes) take that for the end of
   * the cluster's keys. etcd 3.4.23 was seen to answer with keys of other namespaces.
   */
  #applyRangeEnd(fieldStart: number, lengthStart: number, start: number, length: number): number {
    const end = start + length;
    if (length === 0) return this.#change(fieldStart, end - fieldStart, Literal.NONE, 0);
    return length === 1 && this.#source[start] === 0
      ? this.#change(lengthStart, end - lengthStart, Literal.PREFIX_END, 0)
      : this.#applyKey(lengthStart, start, length);
  }

  /** As `#change` does it, without asking what is known: there is a prefix, and in its place stands a length. */
  #stripKey(lengthStart: number, valueStart: number, length: number): number {
    const prefixBytes = this.#mapping.prefix.length;
    const removed = valueStart + prefixBytes - lengthStart;
    const visible = length - prefixBytes;
    this.#isChanged = true;
    this.#plan.add(lengthStart, removed, Literal.VARINT, visible);
    return varintBytes(visible) - removed;
  }

  #isOwnKey(start: number, length: number): boolean {
    const source = this.#source;
    const { prefix } = this.#mapping;
    if (length < prefix.length) return false;
    for (let i = 0; i < prefix.length; i++) if (source[start + i] !== prefix[i]) return false;
    return true;
  }

  /** Changes the lease ID in #int64, which was read from `start` on. */
  #lease(action: number, start: number): number {
    const id = this.#int64;
    const length = id.end - start;
    const visible = id.isVisible ? id.low : 0;
    switch (action) {
      case Action.APPLY_LEASE:
        if (id.isZero) return 0;
        return this.#change(start, length, Literal.LEASE, visible);
      case Action.APPLY_LEASE_NAME:
        return this.#change(start, length, Literal.LEASE, visible);
      case Action.APPLY_LEASE_OPERAND:
        if (id.isNegative || id.isZero) return 0;
        return this.#change(
          start,
          length,
          visible > 0 ? Literal.LEASE : Literal.LEASE_BEYOND,
          visible,
        );
      default:
        if (id.isZero) return 0;
        if (this.#isOwnLease) return this.#change(start, length, Literal.VARINT, id.low);
        // A listed one is dropped with the message around it, and is nothing to count: the list is the cluster's.
        if (action === Action.STRIP_LEASE) this.foreignLeases += 1;
        return this.#change(start, length, Literal.VARINT, 0);
    }
  }

  get #isOwnLease(): boolean {
    return this.#int64.hasTag(this.#mapping.leaseTag);
  }

  #malformed(): number {
    this.#isMalformed = true;
    return 0;
  }

  /** A tag or a length of more than one byte. Returns it, or −1, and leaves the offset after it in the cursor. */
  #uint32(start: number, end: number): number {
    const source = this.#source;
    const limit = Math.min(end, start + 5);
    let value = 0;
    for (let at = start, shift = 0; at < limit; at++, shift += 7) {
      const byte = source[at] as number;
      if (shift === 28 && byte > 0x0f) return -1;
      value |= (byte & 0x7f) << shift;
      if (byte > 0x7f) continue;
      this.#cursor = at + 1;
      return value >>> 0;
    }
    return -1;
  }
}

/** The literal that stands in place of an absent field. */
function defaultOf(action: number): number {
  switch (action) {
    case Action.APPLY_KEY_OR_FIRST:
      return Literal.FIRST_KEY_FIELD;
    case Action.APPLY_NAME:
      return Literal.PREFIX_FIELD;
    default:
      return Literal.NO_LEASE_FIELD;
  }
}
