/**
 * Finds the end of one JSON value in bytes that arrive in pieces, with the grammar, the limit of depth and the error texts of
 * Go's encoding/json, which etcd's gateway uses to split a request body into messages.
 * https://github.com/golang/go/blob/master/src/encoding/json/scanner.go
 *
 * It remembers its state between pieces, so that a body that arrives byte by byte is read once.
 */
import { quotedByte } from './go-quote.ts';

/** Go's limit. It bounds the memory for the open containers. */
const depthMax = 10_000;

/** Values in containers. No request of the API has nearly as many. It bounds the time that one request takes. */
const valuesMax = 200_000;
export const tooManyValues = 'etcd-bulkhead: too many values in one JSON message';

/** What the next byte may be. */
const At = {
  VALUE: 0,
  VALUE_OR_CLOSE: 1,
  KEY_OR_CLOSE: 2,
  KEY: 3,
  COLON: 4,
  AFTER_VALUE: 5,
  STRING: 6,
  ESCAPE: 7,
  HEX: 8,
  MINUS: 9,
  ZERO: 10,
  DIGITS: 11,
  POINT: 12,
  FRACTION: 13,
  EXPONENT: 14,
  EXPONENT_SIGN: 15,
  EXPONENT_DIGITS: 16,
  LITERAL: 17,
  DONE: 18,
} as const;

const literals: Readonly<Record<number, string>> = { 116: 'true', 102: 'false', 110: 'null' };

/** What a container needs: a key, a value of an object, an element. */
const InObject = { KEY: 0, VALUE: 1, ARRAY: 2 } as const;

export class ValueScanner {
  /** Go's message, without the offset. Null as long as the bytes are valid. */
  error: string | null = null;
  #at: number = At.VALUE;
  readonly #open: number[] = [];
  #literal = '';
  #literalAt = 0;
  #hexDigits = 0;
  /** A number outside of a container has ended before the byte that was read last. */
  #isBefore = false;
  #values = 0;

  /** Whether no byte of a value has been read. */
  get isEmpty(): boolean {
    return this.#at === At.VALUE && this.#open.length === 0;
  }

  /** Prepares for the next value. */
  reset(): void {
    this.error = null;
    this.#at = At.VALUE;
    this.#open.length = 0;
    this.#values = 0;
  }

  /**
   * Reads from `start`. Returns the offset after the value, or −1 if the value continues after these bytes or if `error` is set. A
   * number or literal outside of a container ends at the byte after it.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      let byte = bytes[i] as number;
      if (this.#at === At.STRING) {
        while (byte > 0x22 && byte !== 0x5c && i + 1 < end) byte = bytes[++i] as number;
      } else if (this.#at === At.DONE) return i;
      this.#step(byte);
      if (this.error !== null) return -1;
      if (this.#at !== At.DONE) continue;
      if (this.#isBefore) {
        this.#isBefore = false;
        return i;
      }
      if (byte === 0x7d || byte === 0x5d) return i + 1;
    }
    return -1;
  }

  /** Whether the bytes so far are a whole value, if no more follow. */
  get isComplete(): boolean {
    if (this.#open.length > 0) return false;
    switch (this.#at) {
      case At.DONE:
      case At.ZERO:
      case At.DIGITS:
      case At.FRACTION:
      case At.EXPONENT_DIGITS:
        return true;
      default:
        return false;
    }
  }

  #step(byte: number): void {
    switch (this.#at) {
      case At.VALUE:
      case At.VALUE_OR_CLOSE:
        this.#beginValue(byte);
        return;
      case At.KEY_OR_CLOSE:
        if (isSpace(byte)) return;
        if (byte === 0x7d) {
          this.#close();
          return;
        }
        this.#beginKey(byte);
        return;
      case At.KEY:
        if (!isSpace(byte)) this.#beginKey(byte);
        return;
      case At.COLON:
        if (isSpace(byte)) return;
        if (byte !== 0x3a) {
          this.#fail(byte, 'after object key');
          return;
        }
        this.#open[this.#open.length - 1] = InObject.VALUE;
        this.#at = At.VALUE;
        return;
      case At.AFTER_VALUE:
        this.#afterValue(byte);
        return;
      case At.STRING:
        if (byte === 0x22) this.#endString();
        else if (byte === 0x5c) this.#at = At.ESCAPE;
        else if (byte < 0x20) this.#fail(byte, 'in string literal');
        return;
      case At.ESCAPE:
        this.#escape(byte);
        return;
      case At.HEX:
        if (!isHex(byte)) this.#fail(byte, 'in \\u hexadecimal character escape');
        else if (++this.#hexDigits === 4) this.#at = At.STRING;
        return;
      case At.LITERAL:
        this.#inLiteral(byte);
        return;
      default:
        this.#inNumber(byte);
    }
  }

  #beginValue(byte: number): void {
    if (isSpace(byte)) return;
    if (byte === 0x5d && this.#at === At.VALUE_OR_CLOSE) {
      this.#close();
      return;
    }
    if (byte === 0x7b) this.#push(InObject.KEY, At.KEY_OR_CLOSE);
    else if (byte === 0x5b) this.#push(InObject.ARRAY, At.VALUE_OR_CLOSE);
    else if (byte === 0x22) this.#at = At.STRING;
    else if (byte === 0x2d) this.#at = At.MINUS;
    else if (byte === 0x30) this.#at = At.ZERO;
    else if (byte > 0x30 && byte <= 0x39) this.#at = At.DIGITS;
    else {
      const literal = literals[byte];
      if (literal === undefined) {
        this.#fail(byte, 'looking for beginning of value');
        return;
      }
      this.#literal = literal;
      this.#literalAt = 1;
      this.#at = At.LITERAL;
    }
  }

  #beginKey(byte: number): void {
    if (byte === 0x22) this.#at = At.STRING;
    else this.#fail(byte, 'looking for beginning of object key string');
  }

  #push(kind: number, at: number): void {
    this.#open.push(kind);
    this.#at = at;
    if (this.#open.length > depthMax) {
      this.#fail(kind === InObject.ARRAY ? 0x5b : 0x7b, 'exceeded max depth');
    }
  }

  #close(): void {
    this.#open.pop();
    this.#endValue();
  }

  #endString(): void {
    if (this.#open.at(-1) === InObject.KEY) this.#at = At.COLON;
    else this.#endValue();
  }

  #endValue(): void {
    this.#at = this.#open.length === 0 ? At.DONE : At.AFTER_VALUE;
  }

  #afterValue(byte: number): void {
    if (isSpace(byte)) return;
    this.#values += 1;
    if (this.#values > valuesMax) {
      this.error = tooManyValues;
      return;
    }
    const kind = this.#open.at(-1);
    if (kind === InObject.ARRAY) {
      if (byte === 0x2c) this.#at = At.VALUE;
      else if (byte === 0x5d) this.#close();
      else this.#fail(byte, 'after array element');
      return;
    }
    if (byte === 0x2c) {
      this.#open[this.#open.length - 1] = InObject.KEY;
      this.#at = At.KEY;
    } else if (byte === 0x7d) this.#close();
    else this.#fail(byte, 'after object key:value pair');
  }

  #escape(byte: number): void {
    // The bytes are those of "\/bfnrt.
    if (byte === 0x75) {
      this.#hexDigits = 0;
      this.#at = At.HEX;
    } else if (isEscape(byte)) this.#at = At.STRING;
    else this.#fail(byte, 'in string escape code');
  }

  #inLiteral(byte: number): void {
    const expected = this.#literal[this.#literalAt] ?? '';
    if (byte !== expected.charCodeAt(0)) {
      this.#fail(byte, `in literal ${this.#literal} (expecting '${expected}')`);
      return;
    }
    this.#literalAt += 1;
    if (this.#literalAt === this.#literal.length) this.#endValue();
  }

  #inNumber(byte: number): void {
    const isDigit = byte >= 0x30 && byte <= 0x39;
    const isE = byte === 0x65 || byte === 0x45;
    switch (this.#at) {
      case At.MINUS:
        if (byte === 0x30) this.#at = At.ZERO;
        else if (isDigit) this.#at = At.DIGITS;
        else this.#fail(byte, 'in numeric literal');
        return;
      case At.ZERO:
      case At.DIGITS:
        if (isDigit && this.#at === At.DIGITS) return;
        if (byte === 0x2e) this.#at = At.POINT;
        else if (isE) this.#at = At.EXPONENT;
        else this.#afterNumber(byte);
        return;
      case At.POINT:
        if (isDigit) this.#at = At.FRACTION;
        else this.#fail(byte, 'after decimal point in numeric literal');
        return;
      case At.FRACTION:
        if (isDigit) return;
        if (isE) this.#at = At.EXPONENT;
        else this.#afterNumber(byte);
        return;
      case At.EXPONENT:
      case At.EXPONENT_SIGN:
        if (isDigit) this.#at = At.EXPONENT_DIGITS;
        else if (this.#at === At.EXPONENT && (byte === 0x2b || byte === 0x2d)) {
          this.#at = At.EXPONENT_SIGN;
        } else this.#fail(byte, 'in exponent of numeric literal');
        return;
      default:
        if (!isDigit) this.#afterNumber(byte);
    }
  }

  #afterNumber(byte: number): void {
    this.#endValue();
    if (this.#at === At.DONE) this.#isBefore = true;
    else this.#afterValue(byte);
  }

  #fail(byte: number, context: string): void {
    this.error = `invalid character ${quotedByte(byte)} ${context}`;
  }
}

/** The error of Go's `json.Unmarshal` for bytes that are not one JSON value, or null. */
export function invalidJson(bytes: Uint8Array): string | null {
  const scanner = new ValueScanner();
  let end = scanner.scan(bytes, 0, bytes.length);
  if (scanner.error !== null) return scanner.error;
  if (end < 0) {
    if (!scanner.isComplete) return 'unexpected end of JSON input';
    end = bytes.length;
  }
  for (let i = end; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (!isSpace(byte)) return `invalid character ${quotedByte(byte)} after top-level value`;
  }
  return null;
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isHex(byte: number): boolean {
  const letter = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x66);
}

function isEscape(byte: number): boolean {
  return '"\\/bfnrt'.includes(String.fromCharCode(byte));
}
