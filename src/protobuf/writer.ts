/**
 * Builds one message, for requests and responses that originate in the proxy. Not for the hot path: it allocates per field.
 * `finish` reads the views that were passed in, so they must still be valid then.
 */
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import { int64Varint } from './varint.ts';

export class Writer {
  readonly #parts: Uint8Array[] = [];

  /** int64, uint64, int32 or enum. 0 is omitted, as in proto3. A number must be a safe integer. */
  varint(field: number, value: number | bigint): this {
    if (BigInt(value) === 0n) return this;
    this.#parts.push(tag(field, 0), int64Varint(BigInt(value)));
    return this;
  }

  /** False is omitted, as in proto3. */
  bool(field: number, value: boolean): this {
    return this.varint(field, value ? 1 : 0);
  }

  /** An empty value is omitted, as in proto3. */
  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(field, value);
  }

  /** An empty value is omitted, as in proto3. */
  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  /** A field with an encoded message. An empty one is written, because its presence has a meaning. */
  message(field: number, encoded: Uint8Array): this {
    this.#parts.push(tag(field, 2), int64Varint(BigInt(encoded.length)), encoded);
    return this;
  }

  /** Encoded fields. */
  raw(fields: Uint8Array): this {
    this.#parts.push(fields);
    return this;
  }

  finish(): OwnedBytes {
    return asOwned(Buffer.concat(this.#parts));
  }
}

function tag(field: number, wireType: number): Uint8Array {
  return int64Varint((BigInt(field) << 3n) | BigInt(wireType));
}
