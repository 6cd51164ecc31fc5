/**
 * JSON → protobuf as the gateway of etcd 3.6 and later reads it (Go's protojson, unknown fields discarded). The bytes are a
 * value that a ValueScanner has found valid. Errors are protojson's, with its positions.
 * https://github.com/protocolbuffers/protobuf-go/blob/master/encoding/protojson/decode.go
 */
import { isUtf8 } from 'node:buffer';
import { protojsonRules } from './go-base64.ts';
import { goQuoted } from './go-quote.ts';
import { type IntegerKind, looseInteger } from './integers.ts';
import { JsonCursor } from './json-cursor.ts';
import type { MessageOutput } from './message-output.ts';
import { type EnumType, type FieldType, MessageType } from './message-type.ts';
import { messageDepthMax, nestingError } from './nesting.ts';

/** Appends the message to `out`. Returns the error, or null. */
export function decodeProtojson(
  bytes: Buffer,
  type: MessageType,
  out: MessageOutput,
): string | null {
  return new ProtojsonDecoder(bytes, out).decode(type);
}

/** Of `\\u0000`. */
const escapeBytes = 6;

class ProtojsonDecoder {
  readonly #cursor: JsonCursor;
  readonly #start: number;
  readonly #out: MessageOutput;
  #depth = 0;
  #error: string | null = null;

  constructor(bytes: Buffer, out: MessageOutput) {
    this.#cursor = new JsonCursor(bytes);
    this.#cursor.peek();
    this.#start = this.#cursor.at;
    this.#out = out;
  }

  decode(type: MessageType): string | null {
    this.#message(type);
    return this.#error;
  }

  /** All methods below return false after an error. */
  #message(type: MessageType): boolean {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'object') return this.#unexpected();
    this.#depth += 1;
    if (this.#depth > messageDepthMax) return this.#fail(nestingError);
    const seen = new SeenFields();
    if (cursor.enter(0x7d)) {
      do {
        if (!this.#member(type, seen)) return false;
      } while (cursor.more());
    }
    this.#depth -= 1;
    return true;
  }

  #member(type: MessageType, seen: SeenFields): boolean {
    const cursor = this.#cursor;
    cursor.peek();
    const keyAt = cursor.at;
    if (!this.#string()) return false;
    const keyEnd = cursor.at;
    const field = type.byName.get(cursor.text());
    cursor.peek();
    cursor.at += 1;
    if (field === undefined) return this.#discard();
    const rawKey = () => cursor.bytes.toString('utf8', keyAt, keyEnd);
    if (!seen.add(field)) return this.#failAt(keyAt, `duplicate field ${rawKey()}`);
    if (cursor.kind() === 'null') {
      cursor.scalar();
      return true;
    }
    if (!seen.addOneof(field)) {
      return this.#failAt(keyAt, `error parsing ${rawKey()}, oneof ${field.oneof} is already set`);
    }
    return field.isRepeated ? this.#list(field) : this.#value(field);
  }

  #list(field: FieldType): boolean {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'array') return this.#unexpected();
    if (!cursor.enter(0x5d)) return true;
    do {
      if (!this.#value(field)) return false;
    } while (cursor.more());
    return true;
  }

  #value(field: FieldType): boolean {
    const { kind } = field;
    if (kind instanceof MessageType) {
      this.#out.varint(field.tag);
      const at = this.#out.begin();
      if (!this.#message(kind)) return false;
      this.#out.finish(at);
      return true;
    }
    if (kind === 'bytes') return this.#bytes(field);
    if (kind === 'string') return this.#text(field);
    if (kind === 'bool') return this.#bool(field);
    if (typeof kind === 'object') return this.#enum(field, kind);
    return this.#integer(field, kind);
  }

  #bytes(field: FieldType): boolean {
    const cursor = this.#cursor;
    if (cursor.kind() !== 'string') return this.#invalid(field);
    const { at } = cursor;
    if (!this.#string()) return false;
    const { bytes, stringStart, stringEnd } = cursor.unescaped();
    const from = this.#out.length;
    this.#out.varint(field.tag);
    const rules = protojsonRules(bytes, stringStart, stringEnd);
    if (this.#out.base64(bytes, stringStart, stringEnd, rules) < 0) return true;
    this.#out.length = from;
    cursor.at = at;
    return this.#invalid(field);
  }

  #text(field: FieldType): boolean {
    if (this.#cursor.kind() !== 'string') return this.#invalid(field);
    if (!this.#string()) return false;
    this.#out.varint(field.tag);
    this.#out.text(this.#cursor.text());
    return true;
  }

  #bool(field: FieldType): boolean {
    if (this.#cursor.kind() !== 'bool') return this.#invalid(field);
    this.#out.varint(field.tag);
    this.#out.varint(this.#cursor.scalar() === 'true' ? 1 : 0);
    return true;
  }

  /** The name of an unknown value is discarded, like an unknown field. */
  #enum(field: FieldType, type: EnumType): boolean {
    const cursor = this.#cursor;
    const { at } = cursor;
    const kind = cursor.kind();
    let number: number | undefined;
    if (kind === 'string') {
      if (!this.#string()) return false;
      number = type.numbers.get(cursor.text());
      if (number === undefined) return true;
    } else if (kind === 'number') {
      const value = looseInteger(cursor.scalar(), 'int32');
      if (value !== null) number = Number(value);
    }
    if (number === undefined) {
      cursor.at = at;
      return this.#invalid(field);
    }
    this.#out.varint(field.tag);
    this.#out.int64(BigInt(number));
    return true;
  }

  #integer(field: FieldType, kind: IntegerKind): boolean {
    const cursor = this.#cursor;
    const jsonKind = cursor.kind();
    const { at } = cursor;
    let text = '';
    if (jsonKind === 'string') {
      if (!this.#string()) return false;
      text = numberAtStart(cursor.text());
    } else if (jsonKind === 'number') text = cursor.scalar();
    const value = looseInteger(text, kind);
    if (value === null) {
      cursor.at = at;
      return this.#invalid(field);
    }
    this.#out.varint(field.tag);
    this.#out.int64(value);
    return true;
  }

  /** The value of an unknown field. Its strings must be valid all the same. */
  #discard(): boolean {
    const cursor = this.#cursor;
    let depth = 0;
    do {
      const byte = cursor.peek();
      if (byte === 0x22) {
        if (!this.#string()) return false;
      } else if (byte === 0x7b || byte === 0x5b) {
        depth += 1;
        cursor.at += 1;
      } else if (byte === 0x7d || byte === 0x5d) {
        depth -= 1;
        cursor.at += 1;
      } else if (byte === 0x2c || byte === 0x3a) cursor.at += 1;
      else cursor.scalar();
    } while (depth > 0);
    return true;
  }

  /** Reads a string, and checks what encoding/json lets pass: UTF-8 and pairs of surrogates. */
  #string(): boolean {
    const cursor = this.#cursor;
    cursor.peek();
    const { at } = cursor;
    cursor.string();
    const { stringStart, stringEnd } = cursor;
    // Go reads from the left, and reports what it meets first.
    const badEscape = cursor.hasEscapes ? badSurrogate(cursor) : null;
    const end = badEscape === null ? stringEnd : badEscape.at;
    if (!isUtf8(cursor.bytes.subarray(stringStart, end))) {
      return this.#syntax(at, 'invalid UTF-8 in string');
    }
    if (badEscape === null) return true;
    // Go wants to see as many bytes as another escape has.
    if (badEscape.excerpt.length < escapeBytes) return this.#fail('proto: unexpected EOF');
    return this.#syntax(at, `invalid escape code ${goQuoted(badEscape.excerpt)} in string`);
  }

  #invalid(field: FieldType): boolean {
    const { kind } = field;
    const name = typeof kind === 'string' ? kind : 'enum';
    const { at } = this.#cursor;
    return this.#failAt(at, `invalid value for ${name} field ${field.jsonName}: ${this.#token()}`);
  }

  #unexpected(): boolean {
    const { at } = this.#cursor;
    return this.#syntax(at, `unexpected token ${this.#token()}`);
  }

  /** The token at the cursor as it is written. */
  #token(): string {
    const cursor = this.#cursor;
    const kind = cursor.kind();
    const { at } = cursor;
    if (kind === 'object' || kind === 'array') return cursor.bytes.toString('latin1', at, at + 1);
    if (kind !== 'string') return cursor.scalar();
    cursor.string();
    return cursor.bytes.toString('utf8', at, cursor.at);
  }

  #syntax(at: number, text: string): boolean {
    return this.#fail(`proto: syntax error (line ${this.#position(at)}): ${text}`);
  }

  #failAt(at: number, text: string): boolean {
    return this.#fail(`proto: (line ${this.#position(at)}): ${text}`);
  }

  #fail(error: string): boolean {
    this.#error = error;
    return false;
  }

  /** Line and column in characters, both from 1. */
  #position(at: number): string {
    const before = this.#cursor.bytes.toString('utf8', this.#start, at);
    const lines = before.split('\n');
    const column = Array.from(lines.at(-1) ?? '').length + 1;
    return `${lines.length}:${column}`;
  }
}

/** The fields of one message that were read. Its definition has at most 31. */
class SeenFields {
  #fields = 0;
  #oneofs: string[] | null = null;

  /** Returns false if the field was there before. */
  add({ index }: FieldType): boolean {
    const before = this.#fields;
    this.#fields |= 1 << index;
    return this.#fields !== before;
  }

  /** Returns false if another field of its oneof was there before. */
  addOneof({ oneof }: FieldType): boolean {
    if (oneof === null) return true;
    if (this.#oneofs?.includes(oneof) === true) return false;
    this.#oneofs ??= [];
    this.#oneofs.push(oneof);
    return true;
  }
}

/** Of the text in quotes protojson reads the first token, unless spaces surround it. */
function numberAtStart(text: string): string {
  if (text !== text.trim()) return '';
  const number = /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![-+._a-zA-Z0-9])/.exec(text);
  return number?.[0] ?? '';
}

/** The first escaped surrogate that is not part of a pair, and Go's excerpt of it. */
function badSurrogate(cursor: JsonCursor): { at: number; excerpt: Buffer } | null {
  const raw = cursor.bytes.toString('latin1', cursor.stringStart, cursor.stringEnd);
  for (const match of raw.matchAll(/\\(?:u([0-9a-fA-F]{4})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|.)/gs)) {
    const [whole, hex, low] = match;
    const code = Number.parseInt(hex ?? '0', 16);
    if (code < 0xd800 || code > 0xdfff || (code < 0xdc00 && low !== undefined)) continue;
    const at = match.index + whole.length - (low?.length ?? 0);
    const excerpt = cursor.bytes.subarray(
      cursor.stringStart + at,
      cursor.stringStart + at + escapeBytes,
    );
    return { at: cursor.stringStart + at, excerpt };
  }
  return null;
}
