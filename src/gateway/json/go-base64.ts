/**
 * Base64 with the rules and error offsets of Go's encoding/base64: line breaks are ignored, and the last character may have
 * bits that are not used.
 */

const invalid = 0xff;
const standard = table('+/');
const urlSafe = table('-_');

function table(last: string): Uint8Array {
  const values = new Uint8Array(256).fill(invalid);
  const alphabet = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${last}`;
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

export interface Base64Rules {
  readonly isUrlSafe: boolean;
  readonly isPadded: boolean;
}

/** Of encoding/json. */
export const padded: Base64Rules = { isUrlSafe: false, isPadded: true };

/** Of protojson, which accepts both alphabets, with padding or without. */
export function protojsonRules(bytes: Uint8Array, start: number, end: number): Base64Rules {
  let isUrlSafe = false;
  for (let i = start; i < end && !isUrlSafe; i++) {
    isUrlSafe = bytes[i] === 0x2d || bytes[i] === 0x5f;
  }
  return { isUrlSafe, isPadded: (end - start) % 4 === 0 };
}

/**
 * Decodes to `target` at `offset`, which has room for it. Returns the offset after the last byte, or −1 − the offset of the
 * error in the source.
 */
export function decodeBase64(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
  { isUrlSafe, isPadded }: Base64Rules,
): number {
  const values = isUrlSafe ? urlSafe : standard;
  let at = start;
  let to = offset;
  // Whole groups without line breaks and padding: nearly everything.
  while (at + 4 <= end) {
    const a = values[source[at] as number] as number;
    const b = values[source[at + 1] as number] as number;
    const c = values[source[at + 2] as number] as number;
    const d = values[source[at + 3] as number] as number;
    if ((a | b | c | d) === invalid) break;
    const group = (a << 18) | (b << 12) | (c << 6) | d;
    target[to++] = group >> 16;
    target[to++] = (group >> 8) & 0xff;
    target[to++] = group & 0xff;
    at += 4;
  }
  const rest = new Base64Rest(source, start, end, values, isPadded);
  return rest.decode(at, target, to);
}

/** From the first group that is not four characters of the alphabet. */
class Base64Rest {
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #values: Uint8Array;
  readonly #isPadded: boolean;
  #at = 0;
  /** The bits of the group, and how many characters they are from. */
  #group = 0;
  #count = 0;

  constructor(
    source: Uint8Array,
    start: number,
    end: number,
    values: Uint8Array,
    isPadded: boolean,
  ) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
    this.#values = values;
    this.#isPadded = isPadded;
  }

  decode(at: number, target: Uint8Array, offset: number): number {
    this.#at = at;
    let to = offset;
    for (;;) {
      const errorAt = this.#readGroup();
      if (errorAt >= 0) return -1 - (errorAt - this.#start);
      const bits = this.#group << (6 * (4 - this.#count));
      if (this.#count > 1) target[to++] = bits >> 16;
      if (this.#count > 2) target[to++] = (bits >> 8) & 0xff;
      if (this.#count < 4) return to;
      target[to++] = bits & 0xff;
    }
  }

  /** Returns the offset of an error, or −1. Fewer than four characters are the end. */
  #readGroup(): number {
    this.#group = 0;
    this.#count = 0;
    while (this.#count < 4) {
      if (this.#at === this.#end) {
        const isWhole = this.#count === 0 || (this.#count > 1 && !this.#isPadded);
        return isWhole ? -1 : this.#at - this.#count;
      }
      const byte = this.#source[this.#at++] as number;
      const value = this.#values[byte] as number;
      if (value !== invalid) {
        this.#group = (this.#group << 6) | value;
        this.#count += 1;
      } else if (!isLineBreak(byte)) return this.#readPadding(byte);
    }
    return -1;
  }

  #readPadding(byte: number): number {
    if (byte !== 0x3d || !this.#isPadded || this.#count < 2) return this.#at - 1;
    if (this.#count === 2) {
      this.#skipLineBreaks();
      if (this.#at === this.#end) return this.#end;
      if (this.#source[this.#at] !== 0x3d) return this.#at - 1;
      this.#at += 1;
    }
    this.#skipLineBreaks();
    return this.#at < this.#end ? this.#at : -1;
  }

  #skipLineBreaks(): void {
    while (this.#at < this.#end && isLineBreak(this.#source[this.#at])) this.#at += 1;
  }
}

function isLineBreak(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d;
}
