import { describe, expect, test } from 'vitest';
import {
  type BearerBounds,
  BearerVerifier,
  bearerBounds,
} from '../../../src/identity/bearer-verifier.ts';
import { audience, Issuer, issuer } from '../../support/jwt.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const trusted = new Issuer();
const peer = { listener: 'l', remote: '', certificate: null };

function start(keys = [trusted.jwk], bounds: Partial<BearerBounds> = {}) {
  const clock = new ManualClock();
  const config = { keys, issuer, audience, claim: 'sub', algorithms: ['ES256'] };
  const verifier = new BearerVerifier(config, clock, { ...bearerBounds, ...bounds });
  const expiry = Math.floor(clock.epochMs() / 1_000) + 60;
  const sign = (sub = 'red', by = trusted, header = {}) => by.sign({ sub, exp: expiry }, header);
  return { clock, verifier, sign };
}

describe('a bearer token', () => {
  test('is verified at its first use and then cached until it expires', async () => {
    const { clock, verifier, sign } = start();
    const token = await sign();
    expect(verifier.cached(token)).toBeNull();
    expect(await verifier.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    expect(verifier.cached(token)).toBe('claim:red');
    expect(verifier.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    clock.advance(59_000);
    expect(verifier.verify(token, peer)).toMatchObject({ identity: 'claim:red' });
    clock.advance(1_000);
    expect(verifier.cached(token)).toBeNull();
    expect(verifier.verify(token, peer)).toBe('invalid');
    // It was evicted. The second verification fails, too.
    expect(await verifier.verify(token, peer)).toBe('invalid');
  });

  test('without a key ID is valid if any of several keys has signed it', async () => {
    const other = new Issuer();
    const keys = [trusted, other].map(({ jwk: { kid: _kid, ...rest } }) => rest as { kty: string });
    const { verifier, sign } = start(keys);
    const withoutId = { kid: undefined };
    for (const by of [trusted, other]) {
      expect(await verifier.verify(await sign('red', by, withoutId), peer)).toMatchObject({
        identity: 'claim:red',
      });
    }
    expect(await verifier.verify(await sign('red', new Issuer(), withoutId), peer)).toBe('invalid');
  });

  test('longer than the limit is rejected without verification', () => {
    const { verifier } = start();
    expect(verifier.verify(`a.${'b'.repeat(8_192)}.c`, peer)).toBe('invalid');
  });

  test('is rejected as busy while its connection has too many verifications in flight', async () => {
    const { verifier } = start(undefined, { perConnectionMax: 2 });
    const forged = [1, 2, 3].map((i) => verifier.verify(`a.${i}.c`, peer));
    expect(forged[2]).toBe('busy');
    const other = { ...peer };
    expect(await Promise.all([...forged, verifier.verify('a.4.c', other)])).toEqual([
      ...['invalid', 'invalid', 'busy', 'invalid'],
    ]);
    expect(await verifier.verify('a.5.c', peer)).toBe('invalid');
  });

  test('is evicted when too many others were verified after it', async () => {
    const { verifier, sign } = start(undefined, { cacheBytesMax: 1_000 });
    const [first = '', ...rest] = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((s) => sign(s)));
    for (const token of [first, ...rest]) await verifier.verify(token, peer);
    expect(verifier.verify(rest.at(-1) ?? '', peer)).toMatchObject({ identity: 'claim:e' });
    expect(verifier.verify(first, peer)).toBeInstanceOf(Promise);
  });
});
