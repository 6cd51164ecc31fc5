/**
 * The oracle of src/rewrite: the same rewriting, written for obvious correctness and not for speed. A message is decoded into
 * a tree of fields, the tree is changed and then encoded. It shares with src/rewrite only the field tables and the definitions
 * of ranges and lease IDs (etcd/key-range.ts, etcd/lease-id.ts).
 */
import { isOpenEnd, startsWith } from '../../src/etcd/key-range.ts';
import type { KeySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import type { RewriteFault } from '../../src/rewrite/fault.ts';
import {
  type MessageFields,
  nestingMax,
  type RequestRule,
  type ResponseRule,
} from '../../src/rewrite/field-table.ts';
import { asOwned, type OwnedBytes } from '../../src/runtime/owned-bytes.ts';
import { comparedId, namedId } from './lease-id-oracle.ts';

export type Value = bigint | Uint8Array;

/** A field: a varint, a length-delimited value, or the bytes of wire types 1 and 5, which are copied. */
export interface SlowField {
  readonly number: number;
  readonly wireType: number;
  readonly value: Value;
  /** The original encoding of the tag, and of the value or the length. Kept if the value does not change. */
  readonly tag: Uint8Array;
  readonly head: Uint8Array;
}

class Malformed extends Error {}

/** 1 to 10 bytes. `padding` adds bytes: such a non-minimal encoding is valid. */
export function slowVarint(value: bigint, padding = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn));
    rest >>= 7n;
  } while (rest > 0n);
  for (let i = 0; i < padding; i++) bytes.push(0);
  return Uint8Array.from(bytes, (byte, i) => (i < bytes.length - 1 ? byte | 0x80 : byte));
}

export function slowField(number: number, value: Value): Uint8Array {
  const isBytes = typeof value !== 'bigint';
  const tag = slowVarint((BigInt(number) << 3n) | (isBytes ? 2n : 0n));
  if (!isBytes) return Buffer.concat([tag, slowVarint(value)]);
  return Buffer.concat([tag, slowVarint(BigInt(value.length)), value]);
}

/** A message from [number, value] pairs, in that order. A string is encoded as Latin-1. */
export function slowMessage(...fields: (readonly [number, Value | string])[]): OwnedBytes {
  const encoded = fields.map(([number, value]) =>
    slowField(number, typeof value === 'string' ? Buffer.from(value, 'latin1') : value),
  );
  return asOwned(Buffer.concat(encoded));
}

/** The fields of one message. Throws if it is malformed. */
export function slowFields(source: Uint8Array): SlowField[] {
  const fields: SlowField[] = [];
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > source.length) throw new Malformed('short');
    at += length;
    return source.subarray(at - length, at);
  };
  const varint = (bytesMax: number, max: bigint): { value: bigint; head: Uint8Array } => {
    const start = at;
    let value = 0n;
    for (let i = 0n; ; i++) {
      const byte = BigInt(take(1)[0] as number);
      value |= (byte & 0x7fn) << (7n * i);
      if (at - start > bytesMax || value > max) throw new Malformed('varint');
      if (byte < 0x80n) return { value, head: source.subarray(start, at) };
    }
  };
  while (at < source.length) {
    const tag = varint(5, 2n ** 32n - 1n);
    const number = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    if (number === 0) throw new Malformed('field 0');
    const field = { number, wireType, tag: tag.head };
    if (wireType === 0) fields.push({ ...field, ...varint(10, 2n ** 64n - 1n) });
    else if (wireType === 1) fields.push({ ...field, head: take(0), value: take(8) });
    else if (wireType === 5) fields.push({ ...field, head: take(0), value: take(4) });
    else if (wireType === 2) {
      const length = varint(5, 2n ** 32n - 1n);
      fields.push({ ...field, head: length.head, value: take(Number(length.value)) });
    } else throw new Malformed('wire type');
  }
  return fields;
}

function encode(field: SlowField, value: Value): Uint8Array {
  const isChanged = typeof value === 'bigint' && value !== field.value;
  if (typeof value === 'bigint') {
    return Buffer.concat([field.tag, isChanged ? slowVarint(value) : field.head]);
  }
  const isResized = value.length !== (field.value as Uint8Array).length;
  const head = isResized ? slowVarint(BigInt(value.length)) : field.head;
  return Buffer.concat([field.tag, head, value]);
}

interface Outcome {
  readonly bytes: Uint8Array;
  readonly check: RewriteFault | null;
  readonly isOmitted: boolean;
}

type Rule = RequestRule | ResponseRule;
type Table = { readonly [message: string]: MessageFields<Rule> };

export class SlowRewriter {
  readonly #table: Table;
  readonly #direction: 'apply' | 'strip';
  #space: KeySpace;
  #refusal: RewriteFault | null = null;
  foreignLeases = 0;

  constructor(table: Table, direction: 'apply' | 'strip', space: KeySpace) {
    this.#table = table;
    this.#direction = direction;
    this.#space = space;
  }

  rewrite(name: string, source: Uint8Array): Uint8Array | RewriteFault {
    this.#refusal = null;
    this.foreignLeases = 0;
    const hasFields = Object.keys(this.#rules(name).fields).length > 0;
    if (this.#direction === 'strip' && !hasFields) return source;
    if (this.#isIdentity && this.#direction === 'strip') return source;
    try {
      const { bytes, check } = this.#message(name, source, 0);
      return this.#refusal ?? check ?? (this.#isIdentity ? source : bytes);
    } catch (error) {
      if (error instanceof Malformed) return 'malformed';
      throw error;
    }
  }

  get #isIdentity(): boolean {
    return this.#space.prefix.length === 0;
  }

  get #refusesUnknown(): boolean {
    const isRequest = this.#direction === 'apply';
    return isRequest && !this.#isIdentity && !this.#space.passesUnknownFields;
  }

  #rules(name: string): MessageFields<Rule> {
    const rules = this.#table[name];
    if (rules === undefined) throw new Error(`no message ${name}`);
    return rules;
  }

  #message(name: string, source: Uint8Array, depth: number): Outcome {
    const { fields: rules, plain = [], oneof = [], oneofRequired } = this.#rules(name);
    const fields = slowFields(source);
    const out: Uint8Array[] = [];
    const checks: { readonly number: number; readonly check: RewriteFault }[] = [];
    const keys = new Set<number>();
    let hasOwnLease = false;
    let hasInvalidEnum = false;

    for (const [index, field] of fields.entries()) {
      const rule = rules[field.number];
      const isMember = oneof.includes(field.number);
      const isSingular =
        isMember || (rule !== undefined && rule !== 'listedKey' && !isEach(rule) && !isEnum(rule));
      const isDuplicate = fields
        .slice(0, index)
        .some((f) => f.number === field.number || (isMember && oneof.includes(f.number)));
      if (isSingular && isDuplicate) this.#duplicate();
      if (this.#refusesUnknown && rule === undefined && !plain.includes(field.number)) {
        this.#refusal ??= 'field-unknown';
      }
      if (rule === undefined) {
        out.push(encode(field, field.value));
        continue;
      }
      if (typeof rule === 'object' && !('enumMax' in rule)) {
        const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
        const bytes = expectBytes(field);
        const childDepth = 'nested' in rule ? depth + 1 : depth;
        if (childDepth > nestingMax) {
          if (this.#direction === 'strip') throw new Malformed('depth');
          checks.push({ number: field.number, check: 'operations-nested' });
          continue;
        }
        const outcome = this.#message(child, bytes, childDepth);
        if (outcome.check !== null) checks.push({ number: field.number, check: outcome.check });
        if (!outcome.isOmitted) out.push(encode(field, outcome.bytes));
        continue;
      }
      if (typeof rule === 'object') {
        const value = expectVarint(field);
        if (value < 0n || value > BigInt(rule.enumMax)) hasInvalidEnum = true;
        out.push(encode(field, field.value));
        continue;
      }
      switch (rule) {
        case 'key': {
          const bytes = expectBytes(field);
          if (this.#direction === 'apply') {
            if (bytes.length > 0) keys.add(field.number);
            out.push(encode(field, this.#prefixed(bytes)));
          } else {
            const isOwn = startsWith(bytes, this.#space.prefix);
            if (isOwn) keys.add(field.number);
            out.push(encode(field, isOwn ? bytes.subarray(this.#space.prefix.length) : bytes));
          }
          break;
        }
        case 'keyOrFirst': {
          const bytes = expectBytes(field);
          out.push(encode(field, this.#prefixed(bytes.length === 0 ? Uint8Array.of(0) : bytes)));
          break;
        }
        case 'name':
          out.push(encode(field, this.#prefixed(expectBytes(field))));
          break;
        case 'listedKey': {
          const bytes = expectBytes(field);
          if (!startsWith(bytes, this.#space.prefix)) break;
          out.push(encode(field, bytes.subarray(this.#space.prefix.length)));
          break;
        }
        case 'rangeEnd': {
          const bytes = expectBytes(field);
          if (bytes.length === 0) break;
          if (!isOpenEnd(bytes)) out.push(encode(field, this.#prefixed(bytes)));
          else if (this.#space.prefixEnd.length !== 1) {
            out.push(encode(field, this.#space.prefixEnd));
          } else {
            // The size does not change, but src/rewrite replaces a non-minimal length with a minimal one.
            out.push(slowFieldWithTag(field.tag, this.#space.prefixEnd));
          }
          break;
        }
        case 'lease':
        case 'leaseName':
        case 'leaseOperand':
        case 'listedLease': {
          const value = expectVarint(field);
          const mapped = this.#lease(rule, value);
          const isOwn = !this.#space.mapsLeases || mapped > 0n;
          if (rule === 'listedLease' && isOwn) hasOwnLease = true;
          // A mapped ID is encoded again, even if the number is the same.
          const isKept = this.#keeps(rule, value);
          const encoded = isKept ? field.head : slowVarint(mapped);
          out.push(Buffer.concat([field.tag, encoded]));
        }
      }
    }

    for (const [text, rule] of Object.entries(rules)) {
      const number = Number(text);
      if (fields.some((field) => field.number === number)) continue;
      if (rule === 'keyOrFirst') {
        out.push(slowField(number, this.#prefixed(Uint8Array.of(0))));
      }
      if (rule === 'name' && this.#space.prefix.length > 0) {
        out.push(slowField(number, this.#space.prefix));
      }
      if (rule === 'leaseName' && this.#space.mapsLeases) {
        out.push(slowField(number, namedId(this.#space.leases, 0n)));
      }
    }

    const kinds = Object.values(rules);
    const isKeyMissing = Object.entries(rules).some(
      ([n, r]) => r === 'key' && !keys.has(Number(n)),
    );
    if (isKeyMissing && this.#direction === 'strip') {
      this.#refusal = 'namespace-violation';
    }
    return {
      bytes: Buffer.concat(out),
      check: this.#firstCheck(checks, {
        'key-empty': this.#direction === 'apply' && isKeyMissing,
        'operation-empty':
          oneofRequired === true && !fields.some((field) => oneof.includes(field.number)),
        'sort-option': hasInvalidEnum,
      }),
      isOmitted: kinds.includes('listedLease') && !hasOwnLease,
    };
  }

  #firstCheck(
    ofChildren: { readonly number: number; readonly check: RewriteFault }[],
    own: { readonly [check: string]: boolean },
  ): RewriteFault | null {
    for (const [check, failed] of Object.entries(own)) if (failed) return check as RewriteFault;
    return ofChildren.toSorted((a, b) => a.number - b.number)[0]?.check ?? null;
  }

  #duplicate(): void {
    if (this.#direction === 'strip') throw new Malformed('duplicate');
    this.#refusal = 'field-duplicate';
  }

  #prefixed(key: Uint8Array): Uint8Array {
    return Buffer.concat([this.#space.prefix, key]);
  }

  #keeps(rule: Rule, value: bigint): boolean {
    if (!this.#space.mapsLeases) return true;
    if (rule === 'leaseName') return false;
    return rule === 'leaseOperand' ? value <= 0n : value === 0n;
  }

  #lease(rule: Rule, value: bigint): bigint {
    const { leases, mapsLeases } = this.#space;
    if (!mapsLeases) return value;
    if (rule === 'leaseName') return namedId(leases, value);
    if (rule === 'leaseOperand') return comparedId(leases, value);
    if (value === 0n) return 0n;
    if (this.#direction === 'apply') {
      return namedId(leases, value);
    }
    const visible = visibleId(leases, value);
    if (visible === null && rule !== 'listedLease') this.foreignLeases += 1;
    return BigInt(visible ?? 0);
  }
}

function slowFieldWithTag(tag: Uint8Array, value: Uint8Array): Uint8Array {
  return Buffer.concat([tag, slowVarint(BigInt(value.length)), value]);
}

function isEach(rule: Rule): boolean {
  return typeof rule === 'object' && 'each' in rule;
}

function isEnum(rule: Rule): boolean {
  return typeof rule === 'object' && 'enumMax' in rule;
}

function expectBytes(field: SlowField): Uint8Array {
  if (field.wireType !== 2) throw new Malformed('wire type');
  return field.value as Uint8Array;
}

/** As int64. */
function expectVarint(field: SlowField): bigint {
  if (field.wireType !== 0) throw new Malformed('wire type');
  return BigInt.asIntN(64, field.value as bigint);
}
