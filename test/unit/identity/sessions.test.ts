import { expect, test } from 'vitest';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { type SessionLimits, Sessions, sessionLimits } from '../../../src/identity/sessions.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { directoryOf } from '../../support/tenancy.ts';

const text = `$2b$04$${'a'.repeat(53)}`;

function hashOf(spelled = text) {
  const hash = parsePasswordHash(spelled);
  if (typeof hash === 'string') throw new Error(hash);
  return hash;
}

function start(limits: Partial<SessionLimits> = {}) {
  const clock = new ManualClock();
  const sessions = new Sessions(clock, systemRandom, { ...sessionLimits, ...limits });
  const hash = hashOf();
  const directory = directoryOf({
    users: new Map([
      ['red', hash],
      ['blue', hash],
    ]),
  });
  const begin = (user = 'red') => sessions.begin(user, hash) ?? '';
  return { clock, sessions, directory, begin };
}

test('a token stands for its user, and no other one does', () => {
  const { sessions, directory, begin } = start();
  const [red, blue] = [begin('red'), begin('blue')];
  expect(sessions.identityOf(red, directory)).toBe('user:red');
  expect(sessions.identityOf(blue, directory)).toBe('user:blue');
  // The part that finds the session is no proof.
  const mixed = red.slice(0, 16) + blue.slice(16);
  for (const bad of ['', red.slice(1), `${red}x`, mixed]) {
    expect(sessions.identityOf(bad, directory), bad).toBeNull();
  }
});

test('a token ends five minutes after it was last used', () => {
  const { clock, sessions, directory, begin } = start();
  const token = begin();
  for (let i = 0; i < 3; i++) {
    clock.advance(300_000);
    expect(sessions.identityOf(token, directory)).toBe('user:red');
  }
  clock.advance(300_001);
  expect(sessions.identityOf(token, directory)).toBeNull();
  expect(sessions.count).toBe(0);
});

test('a token ends when the password of its user changes, or the user goes', () => {
  const { sessions, directory, begin } = start();
  const unchanged = directoryOf(
    {
      users: new Map([
        ['red', hashOf()],
        ['blue', hashOf()],
      ]),
    },
    { previous: directory },
  );
  const token = begin();
  expect(sessions.identityOf(token, unchanged)).toBe('user:red');
  const changed = directoryOf(
    { users: new Map([['red', hashOf(text.replace('aaa', 'bbb'))]]) },
    { previous: unchanged },
  );
  expect(sessions.identityOf(token, changed)).toBeNull();
  expect(sessions.identityOf(begin(), directoryOf({}, { previous: unchanged }))).toBeNull();
});

test('a user who logs in for ever loses the oldest session, and takes none from others', () => {
  const { sessions, directory, begin } = start({ sessionsPerUserMax: 2 });
  const others = begin('blue');
  const [first, second, third] = [begin(), begin(), begin()];
  expect(sessions.identityOf(first, directory)).toBeNull();
  for (const token of [second, third, others]) {
    expect(sessions.identityOf(token, directory)).not.toBeNull();
  }
  expect(sessions.count).toBe(3);
});

test('there are so many sessions and no more, until some were not used for long', () => {
  const { clock, sessions, begin } = start({ sessionsMax: 2 });
  expect([begin(), begin('blue')].map((token) => token.length)).toEqual([59, 59]);
  expect(begin()).toBe('');
  clock.advance(300_001);
  expect(begin()).not.toBe('');
  expect(sessions.count).toBe(1);
});
