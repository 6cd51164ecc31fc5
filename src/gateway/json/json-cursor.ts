/** Moves over JSON that a ValueScanner has found valid. So it checks nothing that the scanner checks. */
import { isSpace } from './value-scanner.ts';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'bool' | 'null';

/** The content of a string, between two offsets in `bytes`. */
export interface StringContent {
  readonly bytes: Buffer;
  readonly stringStart: number;
  readonly stringEnd: number;
}

export class JsonCursor implements StringContent {
  readonly bytes: Buffer;
  at = 0;
  /** Of the string that was read last: its content without the quotes, still escaped. */
  stringStart = 0;
  stringEnd = 0;
  hasEscapes = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The kind of the value at the cursor, after spaces. */
  kind(): JsonKind {
    switch (this.peek()) {
      case 0x7b:
        return 'object';
      case 0x5b:
        return 'array';
      case 0x22:
        return 'string';
      case 0x74:
      case 0x66:
        return 'bool';
      case 0x6e:
        return 'null';
      default:
        return 'number';
    }
  }

  /** The next byte that is not a space. */
  peek(): number {
    while (isSpace(this.bytes[this.at] as number)) this.at += 1;
    return this.bytes[this.at] as number;
  }

  /** Enters an object or an array. Returns false if it is empty, and leaves it. */
  enter(close: number): boolean {
    this.peek();
    this.at += 1;
    if (this.peek() !== close) return true;
    this.at += 1;
    return false;
  }

  /** After a member or an element: returns false at the end of the container, and leaves it. */
  more(): boolean {
    const byte = this.peek();
    this.at += 1;
    return byte === 0x2c;
  }

  /** Reads the string at the cursor. */
  string(): void {
    this.peek();
    const { bytes } = this;
    let at = this.at + 1;
    this.stringStart = at;
    this.hasEscapes = false;
    for (let byte = bytes[at]; byte !== 0x22; byte = bytes[at]) {
      if (byte === 0x5c) {
        this.hasEscapes = true;
        at += 1;
      }
      at += 1;
    }
    this.stringEnd = at;
    this.at = at + 1;
  }

  /** Reads a key and the colon after it. */
  key(): string {
    this.string();
    const key = this.text();
    this.peek();
    this.at += 1;
    return key;
  }

  /** The string that was read last. Bytes that are not UTF-8 become U+FFFD. */
  text(): string {
    const raw = this.bytes.toString('utf8', this.stringStart, this.stringEnd);
    return this.hasEscapes ? (JSON.parse(`"${raw}"`) as string) : raw;
  }

  /** The string that was read last, without escapes: the cursor itself until its next move, or a copy if there were escapes. */
  unescaped(): StringContent {
    if (!this.hasEscapes) return this;
    const bytes = Buffer.from(this.text());
    return { bytes, stringStart: 0, stringEnd: bytes.length };
  }

  /** Reads a number or a literal, and returns it as it is written. */
  scalar(): string {
    this.peek();
    const start = this.at;
    while (isScalar(this.bytes[this.at])) this.at += 1;
    return this.bytes.toString('latin1', start, this.at);
  }

  /** Moves behind the value at the cursor. */
  skip(): void {
    let depth = 0;
    do {
      switch (this.peek()) {
        case 0x22:
          this.string();
          break;
        case 0x7b:
        case 0x5b:
          depth += 1;
          this.at += 1;
          break;
        case 0x7d:
        case 0x5d:
          depth -= 1;
          this.at += 1;
          break;
        case 0x2c:
        case 0x3a:
          this.at += 1;
          break;
        default:
          this.scalar();
      }
    } while (depth > 0);
  }
}

/** Letters, digits and signs. Undefined is the end of the bytes. */
function isScalar(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const letter = byte | 0x20;
  if (letter >= 0x61 && letter <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}
