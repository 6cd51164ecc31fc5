/**
 * Protobuf → JSON as etcd's gateways write it: names of the definition, 64-bit numbers and bytes as strings, enums by name, no
 * default values, no spaces. Unknown fields are left out.
 */
import { Reader, WireType } from '../../protobuf/reader.ts';
import type { IntegerKind } from './integers.ts';
import { type EnumType, type FieldType, MessageType } from './message-type.ts';

/** Writes a string with its quotes. */
export type StringWriter = (text: string) => string;

/** Returns null if the bytes are not a message of that type. */
export function messageToJson(
  type: MessageType,
  bytes: Uint8Array,
  writeString: StringWriter,
): string | null {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const writer = new JsonWriter(source, writeString);
  const json = writer.message(type, 0, source.length);
  return writer.isMalformed ? null : json;
}

class JsonWriter {
  isMalformed = false;
  readonly #source: Buffer;
  readonly #writeString: StringWriter;

  constructor(source: Buffer, writeString: StringWriter) {
    this.#source = source;
    this.#writeString = writeString;
  }

  message(type: MessageType, start: number, end: number): string {
    const reader = new Reader(this.#source, start, end);
    const json = type.isInOrder ? this.#inOrder(type, reader) : null;
    const complete = json ?? this.#reordered(type, new Reader(this.#source, start, end));
    if (reader.malformed) this.isMalformed = true;
    return complete;
  }

  /** For fields in the order of their numbers, which is how etcd sends them. Null if one is not. */
  #inOrder(type: MessageType, reader: Reader): string | null {
    let json = '{';
    let last: FieldType | null = null;
    while (reader.next()) {
      const field = type.byNumber[reader.field];
      if (field === undefined) continue;
      if (field === last && field.isRepeated) {
        json += `,${this.#element(field, reader)}`;
        continue;
      }
      if (last !== null && field.number <= last.number) return null;
      const value = this.#first(field, reader);
      if (value === null) continue;
      if (last !== null) json += last.isRepeated ? '],' : ',';
      json += field.label + value;
      last = field;
    }
    return last?.isRepeated === true ? `${json}]}` : `${json}}`;
  }

  #reordered(type: MessageType, reader: Reader): string {
    const values: (string | null)[] = [];
    while (reader.next()) {
      const field = type.byNumber[reader.field];
      if (field === undefined) continue;
      const before = values[field.index] ?? null;
      if (field.isRepeated && before !== null) {
        values[field.index] = `${before},${this.#element(field, reader)}`;
      } else values[field.index] = this.#first(field, reader);
    }
    if (reader.malformed) this.isMalformed = true;
    let json = '';
    for (const field of type.fields) {
      const value = values[field.index] ?? null;
      if (value === null) continue;
      json += json === '' ? '{' : ',';
      json += field.label + value + (field.isRepeated ? ']' : '');
    }
    return json === '' ? '{}' : `${json}}`;
  }

  /** The value of a field, or the beginning of a list. Null for a default value. */
  #first(field: FieldType, reader: Reader): string | null {
    if (field.isRepeated) return `[${this.#element(field, reader)}`;
    return this.#isDefault(field, reader) ? null : this.#element(field, reader);
  }

  #isDefault({ kind }: FieldType, reader: Reader): boolean {
    if (kind instanceof MessageType) return false;
    if (reader.wireType === WireType.LEN) return reader.valueStart === reader.fieldEnd;
    return reader.safeNumber() === 0;
  }

  #element({ kind }: FieldType, reader: Reader): string {
    const { valueStart, fieldEnd } = reader;
    const isDelimited = kind instanceof MessageType || kind === 'bytes' || kind === 'string';
    if (isDelimited !== (reader.wireType === WireType.LEN)) {
      this.isMalformed = true;
      return '';
    }
    if (kind instanceof MessageType) return this.message(kind, valueStart, fieldEnd);
    if (kind === 'bytes') return `"${this.#source.toString('base64', valueStart, fieldEnd)}"`;
    if (kind === 'string')
      return this.#writeString(this.#source.toString('utf8', valueStart, fieldEnd));
    if (kind === 'bool') return reader.bool() ? 'true' : 'false';
    return typeof kind === 'object' ? enumValue(kind, reader) : integer(kind, reader);
  }
}

function enumValue(type: EnumType, reader: Reader): string {
  const number = Number(BigInt.asIntN(32, reader.int64()));
  const name = type.names.get(number);
  return name === undefined ? `${number}` : `"${name}"`;
}

function integer(kind: IntegerKind, reader: Reader): string {
  const number = reader.safeNumber();
  const value = number >= 0 ? number : exactInteger(kind, reader.int64());
  return kind.endsWith('64') ? `"${value}"` : `${value}`;
}

function exactInteger(kind: IntegerKind, value: bigint): bigint {
  const bits = kind.endsWith('64') ? 64 : 32;
  return kind.startsWith('u') ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
}
