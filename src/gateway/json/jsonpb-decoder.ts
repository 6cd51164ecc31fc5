/**
 * JSON → protobuf as the gateways of etcd 3.4 and 3.5 read it (Go's jsonpb on encoding/json, unknown fields ignored). The bytes
 * are a value that a ValueScanner has found valid.
 * https://github.com/golang/protobuf/blob/v1.5.4/jsonpb/decode.go
 *
 * Go collects the members of an object and then reads the fields in the order of the definition. So of several members for
 * one field the last counts, the one in lowerCamelCase before the other spelling, and of several errors the one of the first field.
 */

import { padded } from './go-base64.ts';
import { goQuoted } from './go-quote.ts';
import { type IntegerKind, plainInteger } from './integers.ts';
import { JsonCursor, type JsonKind } from './json-cursor.ts';
import type { MessageOutput } from './message-output.ts';
import { type EnumType, type FieldType, MessageType } from './message-type.ts';
import { messageDepthMax, nestingError } from './nesting.ts';
import { invalidJson } from './value-scanner.ts';

/** What differs between the library in etcd 3.4 and that in 3.5. */
export type JsonpbRelease = '3.4' | '3.5';

/** Appends the message to `out`. Returns the error, or null. */
export function decodeJsonpb(
  bytes: Buffer,
  type: MessageType,
  out: MessageOutput,
  release: JsonpbRelease,
): string | null {
  const decoder = new JsonpbDecoder(bytes, out, release);
  return decoder.message(type);
}

/** What was read for one field. */
interface Member {
  readonly field: FieldType;
  isCamel: boolean;
  start: number;
  end: number;
  error: string | null;
}

class JsonpbDecoder {
  readonly #cursor: JsonCursor;
  readonly #out: MessageOutput;
  readonly #release: JsonpbRelease;
  #depth = 0;

  constructor(bytes: Buffer, out: MessageOutput, release: JsonpbRelease) {
    this.#cursor = new JsonCursor(bytes);
    this.#out = out;
    this.#release = release;
  }

  /** This and all methods below move behind the value, and return an error or null. */
  message(type: MessageType): string | null {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind !== 'object') return this.#mismatchOrNull(kind, 'map[string]json.RawMessage');
    if (!cursor.enter(0x7d)) return null;
    this.#depth += 1;
    if (this.#depth > messageDepthMax) {
      this.#leave();
      return nestingError;
    }
    const members: Member[] = [];
    do {
      const key = cursor.key();
      const field = type.byName.get(key);
      if (field === undefined) cursor.skip();
      else this.#member(members, field, key === field.jsonName);
    } while (cursor.more());
    this.#depth -= 1;
    if (type.hasOneof) this.#keepLastOfOneof(members);
    return firstError(members);
  }

  /** Behind the object whose first key is next. */
  #leave(): void {
    this.#depth -= 1;
    do {
      this.#cursor.key();
      this.#cursor.skip();
    } while (this.#cursor.more());
  }

  #member(members: Member[], field: FieldType, isCamel: boolean): void {
    const start = this.#out.length;
    const error = this.#field(field);
    const previous = members.find((each) => each.field === field);
    if (previous?.isCamel === true && !isCamel) {
      this.#out.length = start;
      return;
    }
    const member = { field, isCamel, start, end: this.#out.length, error };
    if (previous !== undefined) this.#remove(members, previous, member);
    members.push(member);
  }

  #remove(members: Member[], member: Member, last: Member): void {
    const size = member.end - member.start;
    this.#out.cut(member.start, member.end);
    members.splice(members.indexOf(member), 1);
    for (const each of [...members, last]) {
      if (each.start < member.end) continue;
      each.start -= size;
      each.end -= size;
    }
  }

  /** Of several members of a oneof, the one that the definition has last. */
  #keepLastOfOneof(members: Member[]): void {
    const set = members.filter(({ field, start, end }) => field.oneof !== null && start < end);
    set.sort((a, b) => a.field.index - b.field.index);
    for (const member of set.slice(0, -1)) {
      if (member.error !== null) continue;
      const size = member.end - member.start;
      this.#out.cut(member.start, member.end);
      for (const each of members) {
        if (each.start < member.end) continue;
        each.start -= size;
        each.end -= size;
      }
      member.end = member.start;
    }
  }

  #field(field: FieldType): string | null {
    const cursor = this.#cursor;
    if (cursor.kind() === 'null') {
      cursor.scalar();
      return null;
    }
    if (!field.isRepeated) return this.#value(field);
    if (cursor.kind() !== 'array') return this.#mismatch(cursor.kind(), '[]json.RawMessage');
    if (!cursor.enter(0x5d)) return null;
    let error: string | null = null;
    do {
      if (error === null) error = this.#element(field);
      else cursor.skip();
    } while (cursor.more());
    return error;
  }

  #element(field: FieldType): string | null {
    if (this.#cursor.kind() !== 'null' || !(field.kind instanceof MessageType)) {
      return this.#value(field);
    }
    this.#cursor.scalar();
    this.#out.varint(field.tag);
    this.#out.varint(0);
    return null;
  }

  #value(field: FieldType): string | null {
    const { kind } = field;
    if (kind instanceof MessageType) {
      this.#out.varint(field.tag);
      const at = this.#out.begin();
      const error = this.message(kind);
      this.#out.finish(at);
      return error;
    }
    if (kind === 'bytes') return this.#bytes(field);
    if (kind === 'string') return this.#text(field);
    if (kind === 'bool') return this.#bool(field);
    if (typeof kind === 'object') return this.#enum(field, kind);
    return this.#integer(field, kind);
  }

  #bytes(field: FieldType): string | null {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind === 'array') return this.#byteArray(field);
    if (kind !== 'string') return this.#mismatch(kind, '[]uint8');
    cursor.string();
    const { bytes, stringStart, stringEnd } = cursor.unescaped();
    const from = this.#out.length;
    this.#out.varint(field.tag);
    const badAt = this.#out.base64(bytes, stringStart, stringEnd, padded);
    if (badAt < 0) return null;
    this.#out.length = from;
    return `illegal base64 data at input byte ${badAt}`;
  }

  /** encoding/json also reads an array of numbers into a slice of bytes. */
  #byteArray(field: FieldType): string | null {
    const cursor = this.#cursor;
    const bytes: number[] = [];
    let error: string | null = null;
    if (cursor.enter(0x5d)) {
      do {
        const kind = cursor.kind();
        let byte = 0;
        if (kind === 'number') {
          const text = cursor.scalar();
          byte = Number(plainInteger(text, 'uint32') ?? 256n);
          if (byte > 255) error ??= notInto(`number ${text}`, 'uint8');
        } else if (kind === 'null') cursor.scalar();
        else {
          const mismatch = this.#mismatch(kind, 'uint8');
          error ??= mismatch;
        }
        bytes.push(byte);
      } while (cursor.more());
    }
    if (error !== null) return error;
    this.#out.varint(field.tag);
    this.#out.delimited(Buffer.from(bytes));
    return null;
  }

  #text(field: FieldType): string | null {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    if (kind !== 'string') return this.#mismatchOrNull(kind, 'string');
    cursor.string();
    this.#out.varint(field.tag);
    this.#out.text(cursor.text());
    return null;
  }

  #bool(field: FieldType): string | null {
    const kind = this.#cursor.kind();
    if (kind !== 'bool') return this.#mismatchOrNull(kind, 'bool');
    this.#out.varint(field.tag);
    this.#out.varint(this.#cursor.scalar() === 'true' ? 1 : 0);
    return null;
  }

  #enum(field: FieldType, type: EnumType): string | null {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'string') {
      const goType = this.#release === '3.4' ? goName(type.fullName) : 'protoreflect.EnumNumber';
      return this.#number(field, 'int32', goType, null);
    }
    cursor.string();
    const { bytes, stringStart, stringEnd } = cursor;
    const number = type.numbers.get(bytes.toString('latin1', stringStart, stringEnd));
    if (number === undefined) {
      return this.#release === '3.4'
        ? `unknown value ${goQuoted(bytes.subarray(stringStart, stringEnd))} for enum ${goName(type.fullName)}`
        : `unknown value ${goQuoted(bytes.subarray(stringStart - 1, stringEnd + 1))} for enum ${type.fullName}`;
    }
    this.#out.varint(field.tag);
    this.#out.varint(number);
    return null;
  }

  #integer(field: FieldType, kind: IntegerKind): string | null {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'string') return this.#number(field, kind, kind, null);
    cursor.string();
    // The quotes are removed, and the rest is read as JSON.
    const inner = cursor.bytes.subarray(cursor.stringStart, cursor.stringEnd);
    return invalidJson(inner) ?? this.#number(field, kind, kind, inner);
  }

  /** Reads from `text`, or at the cursor. */
  #number(field: FieldType, kind: IntegerKind, goType: string, text: Buffer | null): string | null {
    const cursor = text === null ? this.#cursor : new JsonCursor(text);
    const jsonKind = cursor.kind();
    if (jsonKind !== 'number') {
      if (jsonKind === 'null') {
        cursor.scalar();
        return null;
      }
      cursor.skip();
      return notInto(jsonKind, goType);
    }
    const number = cursor.scalar();
    const value = plainInteger(number, kind);
    if (value === null) return notInto(`number ${number}`, goType);
    this.#out.varint(field.tag);
    this.#out.int64(value);
    return null;
  }

  #mismatchOrNull(kind: JsonKind, goType: string): string | null {
    if (kind !== 'null') return this.#mismatch(kind, goType);
    this.#cursor.scalar();
    return null;
  }

  #mismatch(kind: JsonKind, goType: string): string | null {
    this.#cursor.skip();
    return notInto(kind, goType);
  }
}

function notInto(value: string, goType: string): string {
  return `json: cannot unmarshal ${value} into Go value of type ${goType}`;
}

/** `etcdserverpb.RangeRequest.SortOrder` → `etcdserverpb.RangeRequest_SortOrder`. */
function goName(fullName: string): string {
  const [folder = '', ...names] = fullName.split('.');
  return `${folder}.${names.join('_')}`;
}

function firstError(members: readonly Member[]): string | null {
  let first: Member | null = null;
  for (const member of members) {
    if (member.error === null) continue;
    if (first === null || member.field.index < first.field.index) first = member;
  }
  return first === null ? null : first.error;
}
