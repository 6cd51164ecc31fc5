/** Reads DER, the encoding of certificates and of lists of revoked ones. */

/** One element: its tag byte and its content. */
export interface Element {
  readonly tag: number;
  readonly body: Buffer;
}

export const SEQUENCE = 0x30;

/** The content of an element that must have this tag. Throws if it is another one, or missing. */
export function bodyOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw new Error('not valid DER');
  return element.body;
}

/** Splits `bytes` into elements. X.509 does not use tag numbers over 30 or indefinite lengths. Throws if they are cut off. */
export function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    at += 2;
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f;
      length = bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes;
    }
    if (at + length > bytes.length) throw new Error('truncated DER');
    found.push({ tag, body: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}
