/**
 * Builds one message, for requests and responses that originate in the proxy. Not for the data path: it collects pieces and
 * joins them. `finish` reads the views that were passed in, so they must still be valid then.
 */
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import { int64Varint } from './varint.ts';

export class Writer {
  readonly #parts: Uint8Array[] = [];

  /** int64, uint64, int32 or enum; 0 is left out, as proto3 does. A number must be a safe integer. */
  varint(field: number, value: number | bigint): this {
    if (BigInt(value) === 0n) return this;
    this.#parts.push(tag(field, 0), int64Varint(BigInt(value)));
    return this;
  }

  /** False is left out, as proto3 does. */
  bool(field: number, value: boolean): this {
    return this.varint(field, value ? 1 : 0);
  }

  /** Empty is left out, as proto3 does. */
  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(field, value);
  }

  /** Empty is left out, as proto3 does. */
  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  /** An encoded message as a field. An empty one is written: its presence means something. */
  message(field: number, encoded: Uint8Array): this {
    this.#parts.push(tag(field, 2), int64Varint(BigInt(encoded.length)), encoded);
    return this;
  }

  /** Whole fields, already encoded. */
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
