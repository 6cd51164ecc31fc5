import { expect, test } from 'vitest';
import { suggestion } from '../../../src/config/problem.ts';

const names = ['endpoints', 'listen-addr', 'hold', 'log-level', 'log-keys'];

test.each([
  ['endpoint', 'endpoints'],
  ['listen-address', 'listen-addr'],
  ['holt', 'hold'],
  ['loglevel', 'log-level'],
])('for %s the suggestion is %s', (given, meant) => {
  expect(suggestion(given, names)).toBe(`; did you mean "${meant}"?`);
});

test.each(['zzz', '', 'password'])('there is no suggestion for %j', (given) => {
  expect(suggestion(given, names)).toBe('');
});
