/** Quotes as in Go's messages: `%q` of strings, and single bytes in the errors of encoding/json. */

import { isUtf8 } from 'node:buffer';

/** The byte as encoding/json quotes it: with the character that has its number. */
export function quotedByte(byte: number): string {
  if (byte === 0x27) return `'\\''`;
  if (byte === 0x22) return `'"'`;
  return `'${escapedCharacter(String.fromCharCode(byte), '"')}'`;
}

/** `%q` of a string of bytes. Those that are not UTF-8 are written as numbers. */
export function goQuoted(bytes: Buffer): string {
  let quoted = '';
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] as number;
    const end = at + (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    const character = bytes.subarray(at, end);
    if (isUtf8(character) && end <= bytes.length) {
      quoted += escapedCharacter(character.toString(), '"');
      at = end;
    } else {
      quoted += `\\x${lead.toString(16)}`;
      at += 1;
    }
  }
  return `"${quoted}"`;
}

const short: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\u000b': '\\v',
  '\\': '\\\\',
};

function escapedCharacter(character: string, quote: string): string {
  if (character === quote) return `\\${quote}`;
  const known = short[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code === 0x20 || (code < 0x7f && code > 0x20)) return character;
  // Go prints letters, marks, numbers, punctuation and symbols.
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character)) return character;
  const hex = code.toString(16);
  return code < 0x1_0000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}
