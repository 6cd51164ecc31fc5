import { describe, expect, test } from 'vitest';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { type SessionLimits, Sessions, sessionLimits } from '../../../src/identity/sessions.ts';
import { newTokenKey, SignedTokens } from '../../../src/identity/signed-tokens.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { directoryOf } from '../../support/tenancy.ts';

const text = `$2b$04$${'a'.repeat(53)}`;

function hashOf(spelled = text) {
  const hash = parsePasswordHash(spelled);
  if (typeof hash === 'string') throw new Error(hash);
  return hash;
}

function start(limits: Partial<SessionLimits> = {}, signed?: SignedTokens) {
  const clock = new ManualClock();
  const sessions = new Sessions(clock, systemRandom, signed, { ...sessionLimits, ...limits });
  const hash = hashOf();
  const directory = directoryOf({
    users: new Map([
      ['red', hash],
      ['blue', hash],
    ]),
  });
  const create = (user = 'red') => sessions.create(user, hash) ?? '';
  return { clock, sessions, directory, create };
}

test('a token identifies its user, and no other text does', () => {
  const { sessions, directory, create } = start();
  const [red, blue] = [create('red'), create('blue')];
  expect(sessions.identityOf(red, directory)).toBe('user:red');
  expect(sessions.identityOf(blue, directory)).toBe('user:blue');
  // The session ID without its secret is not valid.
  const mixed = red.slice(0, 16) + blue.slice(16);
  for (const bad of ['', red.slice(1), `${red}x`, mixed]) {
    expect(sessions.identityOf(bad, directory), bad).toBeNull();
  }
});

test('a token expires five minutes after its last use', () => {
  const { clock, sessions, directory, create } = start();
  const token = create();
  for (let i = 0; i < 3; i++) {
    clock.advance(300_000);
    expect(sessions.identityOf(token, directory)).toBe('user:red');
  }
  clock.advance(300_001);
  expect(sessions.identityOf(token, directory)).toBeNull();
  expect(sessions.count).toBe(0);
});

test('a token ends when the password of its user changes or the user is removed', () => {
  const { sessions, directory, create } = start();
  const unchanged = directoryOf(
    {
      users: new Map([
        ['red', hashOf()],
        ['blue', hashOf()],
      ]),
    },
    { previous: directory },
  );
  const token = create();
  expect(sessions.identityOf(token, unchanged)).toBe('user:red');
  const changed = directoryOf(
    { users: new Map([['red', hashOf(text.replace('aaa', 'bbb'))]]) },
    { previous: unchanged },
  );
  expect(sessions.identityOf(token, changed)).toBeNull();
  expect(sessions.identityOf(create(), directoryOf({}, { previous: unchanged }))).toBeNull();
});

test('beyond the limit per user the oldest session ends, and other users keep theirs', () => {
  const { sessions, directory, create } = start({ sessionsPerUserMax: 2 });
  const others = create('blue');
  const [first, second, third] = [create(), create(), create()];
  expect(sessions.identityOf(first, directory)).toBeNull();
  for (const token of [second, third, others]) {
    expect(sessions.identityOf(token, directory)).not.toBeNull();
  }
  expect(sessions.count).toBe(3);
});

test('at the limit no session is created until idle ones have expired', () => {
  const { clock, sessions, create } = start({ sessionsMax: 2 });
  expect([create(), create('blue')].map((token) => token.length)).toEqual([59, 59]);
  expect(create()).toBe('');
  clock.advance(300_001);
  expect(create()).not.toBe('');
  expect(sessions.count).toBe(1);
});

/** Tokens with a key of their own, which `keys` can replace. */
function signedBy(...keys: Uint8Array[]) {
  return new SignedTokens(() => keys);
}

describe('processes that share a key', () => {
  const signed = signedBy(newTokenKey());

  test('accept the token of another worker, and no changed one', () => {
    const one = start({}, signed);
    const other = start({}, signed);
    const token = one.create();
    expect(token).toMatch(/^[\w-]+$/);
    const letters = [...token];
    for (const [index, letter] of letters.entries()) {
      const changed = letters.with(index, letter === 'A' ? 'B' : 'A').join('');
      expect(other.sessions.identityOf(changed, other.directory), changed).toBeNull();
    }
    for (const bad of ['', token.slice(1), token.slice(0, -1), `${token}A`, `${token}=`]) {
      expect(other.sessions.identityOf(bad, other.directory), bad).toBeNull();
    }
    expect(other.sessions.count).toBe(0);
    expect(other.sessions.identityOf(token, other.directory)).toBe('user:red');
    expect(one.sessions.identityOf(token, one.directory)).toBe('user:red');
    expect(other.sessions.count).toBe(1);
  });

  test('reject a token of another key, and one for another password', () => {
    const one = start({}, signed);
    const stranger = start({}, signedBy(newTokenKey()));
    expect(stranger.sessions.identityOf(one.create(), stranger.directory)).toBeNull();
    const other = start({}, signed);
    const changed = directoryOf({ users: new Map([['red', hashOf(text.replace('aaa', 'bbb'))]]) });
    expect(other.sessions.identityOf(one.create(), changed)).toBeNull();
    expect(other.sessions.identityOf(one.create(), directoryOf({}))).toBeNull();
  });

  test('adopt a token within five minutes of its issue, and keep it while it is used', () => {
    const one = start({}, signed);
    const other = start({}, signed);
    const token = one.create();
    for (let i = 0; i < 3; i++) {
      other.clock.advance(300_000);
      expect(other.sessions.identityOf(token, other.directory)).toBe('user:red');
    }
    const late = start({}, signed);
    late.clock.advance(300_001);
    expect(late.sessions.identityOf(token, late.directory)).toBeNull();
  });

  test('accept each other during a rotation of the key, in whatever order they load it', () => {
    const [before, after] = [newTokenKey(), newTokenKey()];
    // The steps of the documentation: add the new key, sign with it, remove the old one.
    const steps = [[before], [before, after], [after, before], [after]];
    for (const [index, keys] of steps.entries()) {
      for (const others of steps.slice(Math.max(0, index - 1), index + 2)) {
        const one = start({}, signedBy(...keys));
        const other = start({}, signedBy(...others));
        expect(other.sessions.identityOf(one.create(), other.directory)).toBe('user:red');
      }
    }
  });

  test('end the sessions of a key that is removed, and keep those of one that was only read again', () => {
    const [leaked, next] = [newTokenKey(), newTokenKey()];
    let keys: readonly Uint8Array[] = [leaked];
    const one = start({}, new SignedTokens(() => keys));
    const own = one.create();
    const adopted = start({}, signedBy(leaked)).create();
    const both = () => [own, adopted].map((each) => one.sessions.identityOf(each, one.directory));
    expect(both()).toEqual(['user:red', 'user:red']);
    keys = [Uint8Array.from(next), Uint8Array.from(leaked)];
    expect(both()).toEqual(['user:red', 'user:red']);
    keys = [next];
    expect(both()).toEqual([null, null]);
    expect(one.sessions.count).toBe(0);
  });

  test('keep sessions with a random token when a key is configured', () => {
    let keys: readonly Uint8Array[] = [];
    const one = start({}, new SignedTokens(() => keys));
    const token = one.create();
    keys = [newTokenKey()];
    expect(one.sessions.identityOf(token, one.directory)).toBe('user:red');
    expect(one.create()).not.toHaveLength(token.length);
  });

  test('apply the limits to adopted sessions, too', () => {
    const one = start({}, signed);
    const other = start({ sessionsPerUserMax: 2, sessionsMax: 3 }, signed);
    for (let i = 0; i < 5; i++) {
      expect(other.sessions.identityOf(one.create(), other.directory)).toBe('user:red');
    }
    expect(other.sessions.count).toBe(2);
    expect(other.sessions.identityOf(one.create('blue'), other.directory)).toBe('user:blue');
    expect(other.sessions.identityOf(one.create('blue'), other.directory)).toBeNull();
    expect(other.sessions.count).toBe(3);
  });
});
