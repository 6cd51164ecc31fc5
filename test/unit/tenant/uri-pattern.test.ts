import { describe, expect, test } from 'vitest';
import { compileUriPattern } from '../../../src/tenant/uri-pattern.ts';

describe('a URI pattern', () => {
  const nameOf = compileUriPattern({ uri: 'spiffe://td.x/ns/{ns}/sa/{sa}', tenant: '{ns}.{sa}' });

  test('builds the name from the values of the placeholders', () => {
    expect(nameOf('spiffe://td.x/ns/games/sa/lobby')).toBe('games.lobby');
    const swapped = compileUriPattern({ uri: 'spiffe://td/{a}/{b}', tenant: 'x-{b}_{a}-y' });
    expect(swapped('spiffe://td/1/2')).toBe('x-2_1-y');
  });

  test('never maps two URIs to the same name', () => {
    expect(nameOf('spiffe://td.x/ns/games/sa/a.b')).toBe('games.a.b');
    expect(nameOf('spiffe://td.x/ns/games.a/sa/b')).toBeNull();
  });

  test.each([
    'spiffe://tdxx/ns/games/sa/lobby',
    'spiffe://td.x/ns/games/sa/lobby/',
    'spiffe://td.x/ns/games/sa/',
    'spiffe://td.x/ns//sa/lobby',
    'spiffe://td.x/ns/games/x/sa/lobby',
    'spiffe://td.x/ns/games/sa/lobby\n',
    'x spiffe://td.x/ns/games/sa/lobby',
    'spiffe://td.x/ns/games/sa/lobby, URI:spiffe://td.x/ns/games/sa/other',
    'spiffe://td.x/ns/games/sa/löbby',
    'spiffe://td.x/ns/games/sa/%6cobby',
  ])('does not match %j', (uri) => {
    expect(nameOf(uri)).toBeNull();
  });
});
