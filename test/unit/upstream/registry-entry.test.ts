/** Entries of etcd's naming convention, from this proxy and from others. */
import { expect, test } from 'vitest';
import { decodeEntry, encodeEntry } from '../../../src/upstream/registry-entry.ts';

const proxy = { name: 'host-1', address: '127.0.0.1:23790' };

test('have the bytes of etcd’s own proxy', () => {
  const text = '{"Op":0,"Addr":"127.0.0.1:23790","Metadata":"{\\"name\\":\\"host-1\\"}"}';
  expect(encodeEntry(proxy)).toBe(text);
  expect(decodeEntry(Buffer.from(text))).toEqual(proxy);
});

test.each([
  ['no JSON', 'x'],
  ['null', 'null'],
  ['a number', '1'],
  ['no address', '{"Op":0,"Metadata":"{\\"name\\":\\"a\\"}"}'],
  ['no metadata', '{"Op":0,"Addr":"a:1"}'],
  ['an address that cannot be dialed', encodeEntry({ name: 'a', address: 'a b:1' })],
  ['an address with a line break', encodeEntry({ name: 'a', address: 'a:1\n' })],
  ['an empty name', encodeEntry({ name: '', address: 'a:1' })],
  ['a name with control characters', encodeEntry({ name: 'a\u0000', address: 'a:1' })],
  ['a value that is too large', encodeEntry({ name: 'a', address: 'a:1' }) + ' '.repeat(5_000)],
])('are ignored with %s', (_, text) => {
  expect(decodeEntry(Buffer.from(text))).toBeNull();
});
