import { expect, test } from 'vitest';
import { BearerTokens } from '../../../src/identity/bearer.ts';
import { audience, Issuer, issuer } from '../../support/jwt.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const trusted = new Issuer();
const peer = { listener: 'l', remote: '', certificate: null };
const config = { keys: [trusted.jwk], issuer, audience, claim: 'sub', algorithms: ['ES256'] };

async function start() {
  const clock = new ManualClock();
  const expiry = Math.floor(clock.epochMs() / 1_000) + 60;
  const token = await trusted.sign({ sub: 'red', exp: expiry });
  const tokens = new BearerTokens(clock);
  expect(await tokens.verify(config, token, peer)).toMatchObject({ identity: 'claim:red' });
  return { tokens, token };
}

test('a verified token stays cached over a reload that does not change the configuration', async () => {
  const { tokens, token } = await start();
  const reloaded = structuredClone(config);
  expect(tokens.verify(reloaded, token, peer)).toMatchObject({ identity: 'claim:red' });
  expect(tokens.verify(reloaded, token, peer)).toMatchObject({ identity: 'claim:red' });
});

test.each([
  ['keys', { ...config, keys: [new Issuer().jwk] }],
  ['audience', { ...config, audience: 'another' }],
])('a reload that changes the %s drops the cache', async (_what, changed) => {
  const { tokens, token } = await start();
  expect(await tokens.verify(changed, token, peer)).toBe('invalid');
  const verification = tokens.verify(config, token, peer);
  expect(verification).toBeInstanceOf(Promise);
  expect(await verification).toMatchObject({ identity: 'claim:red' });
});
