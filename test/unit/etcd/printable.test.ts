import { expect, test } from 'vitest';
import { printable } from '../../../src/etcd/printable.ts';

test('all but printable ASCII is escaped, and backslashes are doubled', () => {
  expect(printable(Buffer.from('a b\\\0\xff', 'latin1'))).toBe('a b\\\\\\x00\\xff');
});

test('sequences that control a terminal are escaped', () => {
  expect(printable(Buffer.from('\x1b]0;title\x07\r\n\x9b2J\x7f', 'latin1'))).toBe(
    '\\x1b]0;title\\x07\\x0d\\x0a\\x9b2J\\x7f',
  );
});

test('a long key is truncated', () => {
  expect(printable(Buffer.from('k'.repeat(1000)))).toBe(`${'k'.repeat(256)}…`);
  expect(printable(Buffer.from('0123456789'), 4)).toBe('0123…');
});
