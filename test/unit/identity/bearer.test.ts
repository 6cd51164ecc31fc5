import { describe, expect, test } from 'vitest';
import { type BearerBounds, BearerTokens, bearerBounds } from '../../../src/identity/bearer.ts';
import { audience, Issuer, issuer } from '../../support/jwt.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const trusted = new Issuer();
const peer = { listener: 'l', remote: '', certificate: null };

function start(keys = [trusted.jwk], bounds: Partial<BearerBounds> = {}) {
  const clock = new ManualClock();
  const config = { keys, issuer, audience, claim: 'sub', algorithms: ['ES256'] };
  const tokens = new BearerTokens(config, clock, { ...bearerBounds, ...bounds });
  const expiry = Math.floor(clock.epochMs() / 1_000) + 60;
  const sign = (sub = 'red', by = trusted, header = {}) => by.sign({ sub, exp: expiry }, header);
  return { clock, tokens, sign };
}

describe('a bearer token', () => {
  test('is verified at its first use and looked up from then on, until it expires', async () => {
    const { clock, tokens, sign } = start();
    const token = await sign();
    expect(await tokens.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    expect(tokens.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    clock.advance(59_000);
    expect(tokens.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    clock.advance(1_000);
    expect(tokens.verify(token, peer)).toBe('invalid');
    // It is forgotten, and verified again to no avail.
    expect(await tokens.verify(token, peer)).toBe('invalid');
  });

  test('is good by any of several keys without an ID', async () => {
    const other = new Issuer();
    const keys = [trusted, other].map(({ jwk: { kid: _kid, ...rest } }) => rest as { kty: string });
    const { tokens, sign } = start(keys);
    const withoutId = { kid: undefined };
    for (const by of [trusted, other]) {
      expect(await tokens.verify(await sign('red', by, withoutId), peer)).toMatchObject({
        identity: 'claim:red',
      });
    }
    expect(await tokens.verify(await sign('red', new Issuer(), withoutId), peer)).toBe('invalid');
  });

  test('that is larger than any is not even looked at', () => {
    const { tokens } = start();
    expect(tokens.verify(`a.${'b'.repeat(8_192)}.c`, peer)).toBe('invalid');
  });

  test('has to wait for no more than a bounded number of the same connection', async () => {
    const { tokens } = start(undefined, { perConnectionMax: 2 });
    const forged = [1, 2, 3].map((i) => tokens.verify(`a.${i}.c`, peer));
    expect(forged[2]).toBe('busy');
    const other = { ...peer };
    expect(await Promise.all([...forged, tokens.verify('a.4.c', other)])).toEqual([
      ...['invalid', 'invalid', 'busy', 'invalid'],
    ]);
    expect(await tokens.verify('a.5.c', peer)).toBe('invalid');
  });

  test('is forgotten when too many others were verified after it', async () => {
    const { tokens, sign } = start(undefined, { knownBytesMax: 1_000 });
    const [first = '', ...rest] = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((s) => sign(s)));
    for (const token of [first, ...rest]) await tokens.verify(token, peer);
    expect(tokens.verify(rest.at(-1) ?? '', peer)).toMatchObject({ identity: 'claim:e' });
    expect(tokens.verify(first, peer)).toBeInstanceOf(Promise);
  });
});
