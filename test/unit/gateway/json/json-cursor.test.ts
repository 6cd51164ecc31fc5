/** Strings as the decoders read them. */
import { expect, test } from 'vitest';
import { JsonCursor } from '../../../../src/gateway/json/json-cursor.ts';

function read(json: string): { readonly cursor: JsonCursor; readonly content: string } {
  const cursor = new JsonCursor(Buffer.from(json));
  cursor.string();
  const { bytes, stringStart, stringEnd } = cursor.unescaped();
  return { cursor, content: bytes.toString('utf8', stringStart, stringEnd) };
}

test('a string without escapes is read where it lies', () => {
  const { cursor, content } = read(' "aé+/=" ');
  expect(content).toBe('aé+/=');
  expect(cursor.unescaped()).toBe(cursor);
});

test('a string with escapes is read without them, and the cursor moves on behind it', () => {
  const { cursor, content } = read('"\\u002b\\/\\n\\"\\\\", "next"');
  expect(content).toBe('+/\n"\\');
  expect(cursor.peek()).toBe(','.charCodeAt(0));
  cursor.at += 1;
  cursor.string();
  expect(cursor.unescaped()).toBe(cursor);
  expect(cursor.text()).toBe('next');
});
