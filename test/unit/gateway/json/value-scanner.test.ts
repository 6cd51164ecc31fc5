/** The end of JSON values in pieces of a body. Which texts are valid, and the errors, are compared with etcd in the conformance suite. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ValueScanner } from '../../../../src/gateway/json/value-scanner.ts';

/** Scans the text in pieces of that size. Returns the ends of its values. */
function ends(text: string, pieceBytes: number): number[] {
  const bytes = Buffer.from(text);
  const scanner = new ValueScanner();
  const found: number[] = [];
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    const pieceEnd = Math.min(bytes.length, start + pieceBytes);
    let at = start;
    while (at < pieceEnd) {
      const end = scanner.scan(bytes, at, pieceEnd);
      if (end < 0) break;
      found.push(end);
      scanner.reset();
      at = end;
    }
  }
  return found;
}

describe('a scanner', () => {
  test('finds the same ends for every size of the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json(), { maxLength: 4 }),
        fc.integer({ min: 1, max: 7 }),
        (values, size) => {
          // Without a space, a number would continue with the next one.
          const text = values.map((value) => `${value} `).join('');
          expect(ends(text, size)).toEqual(ends(text, text.length * 4 + 1));
        },
      ),
    );
  });

  test('accepts what JSON.parse accepts, and rejects what it rejects', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        'a',
        '\\',
        'u',
        '0',
        '1',
        '.',
        'e',
        '-',
        'true',
        ' ',
      ),
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        const scanner = new ValueScanner();
        const end = scanner.scan(Buffer.from(text), 0, text.length);
        const rest = end < 0 ? '' : text.slice(end).trim();
        const isValid = scanner.error === null && (end >= 0 || scanner.isComplete) && rest === '';
        expect(isValid).toBe(parses(text));
      }),
      { numRuns: 3_000 },
    );
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
