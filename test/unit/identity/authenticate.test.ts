import { setImmediate as turn } from 'node:timers/promises';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import type { RefusalName } from '../../../src/call/refusals.ts';
import { refusal } from '../../../src/call/refusals.ts';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { authenticate } from '../../../src/identity/authenticate.ts';
import { HashingGate } from '../../../src/identity/hashing-gate.ts';
import { hashPassword, Passwords } from '../../../src/identity/password.ts';
import { Sessions } from '../../../src/identity/sessions.ts';
import { VerifiedPasswords } from '../../../src/identity/verified-passwords.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const authenticateMethod = 'etcdserverpb.Auth/Authenticate';
const statusMethod = 'etcdserverpb.Auth/AuthStatus';

class SlowPasswords extends Passwords {
  comparisons: ((matches: boolean) => void)[] = [];

  override matches(): Promise<boolean> {
    return new Promise((resolve) => this.comparisons.push(resolve));
  }
}

function directoryWith(text: string) {
  const hash = parsePasswordHash(text);
  if (typeof hash === 'string') throw new Error(hash);
  return directoryOf({
    tenants: [tenantConfig('red')],
    listeners: [
      listenerConfig('by user', { identify: ['user'] }),
      listenerConfig('open', { tenant: 'red' }),
      listenerConfig('through', { tenant: 'red', passesCredentials: true }),
    ],
    users: new Map([['red', hash]]),
  });
}

/** The content of a ResponseHeader. */
const header = new Writer().varint(1, 7).varint(2, 8).varint(3, 9).varint(4, 2).finish();
const anyHash = `$2b$04$${'a'.repeat(53)}`;

function start() {
  const directory = { current: directoryWith(anyHash) };
  const passwords = new SlowPasswords();
  const clock = new ManualClock();
  const sessions = new Sessions(clock, systemRandom);
  const below = new FakeEtcd<'client'>();
  const outcomes: (RefusalName | null)[] = [];
  const layer = authenticate({
    directory,
    sessions,
    passwords,
    verified: new VerifiedPasswords(clock),
    gate: new HashingGate(),
    header: () => header,
    onOutcome: (_call, reason) => void outcomes.push(reason),
  });
  const etcd = onBytes(layer(below));
  const request = (
    listener: string,
    user = 'red',
    method: 'authenticate' | 'status' = 'authenticate',
    password = 'secret',
  ) => {
    const above = new Caller();
    const message = new Writer().string(1, user).string(2, password).finish();
    const call = callOf(method === 'authenticate' ? authenticateMethod : statusMethod, {
      listener,
    });
    const handle = etcd.unary(call, message, above);
    return { above, handle };
  };
  return { clock, directory, passwords, sessions, below, outcomes, request };
}

describe('Authenticate', () => {
  test('returns a token for the right password and does not reach the layer below', async () => {
    const { passwords, sessions, below, outcomes, request } = start();
    const { above } = request('by user');
    passwords.comparisons[0]?.(true);
    await turn();
    expect(above.status?.code).toBe(0);
    expect(above.texts[0]?.slice(-59)).toMatch(/^[\w-]{59}$/);
    expect([sessions.count, below.calls, outcomes]).toEqual([1, [], [null]]);
  });

  test('compares a password and ends with the same status if the user does not exist', async () => {
    const { passwords, request, outcomes } = start();
    const { above } = request('by user', 'ghost');
    expect(passwords.comparisons).toHaveLength(1);
    passwords.comparisons[0]?.(true);
    await turn();
    expect(above.status).toBe(refusal('authentication-failed'));
    expect(outcomes).toEqual(['authentication-failed']);
  });

  test('rejects a password that a reload has changed during the comparison', async () => {
    const { directory, passwords, sessions, request } = start();
    const { above } = request('by user');
    directory.current = directoryWith(anyHash.replace('aaa', 'bbb'));
    passwords.comparisons[0]?.(true);
    await turn();
    expect(above.status).toBe(refusal('authentication-failed'));
    expect(sessions.count).toBe(0);
  });

  test('does not compare a password again that was verified shortly before', async () => {
    const { clock, passwords, sessions, request } = start();
    request('by user');
    passwords.comparisons[0]?.(true);
    await turn();
    const { above } = request('by user');
    expect(above.status?.code).toBe(0);
    expect([passwords.comparisons.length, sessions.count]).toEqual([1, 2]);
    clock.advance(300_000);
    request('by user');
    expect(passwords.comparisons).toHaveLength(2);
  });

  test('compares a wrong password, and that of another user, although one was verified', async () => {
    const { passwords, request } = start();
    request('by user');
    passwords.comparisons[0]?.(true);
    await turn();
    const wrong = ['secret ', 'secre', ''].map((password) =>
      request('by user', 'red', 'authenticate', password),
    );
    const ghost = request('by user', 'ghost');
    expect(passwords.comparisons).toHaveLength(3);
    for (const ended of passwords.comparisons) ended(false);
    await turn();
    for (const ended of passwords.comparisons) ended(false);
    await turn();
    expect([...wrong, ghost].map(({ above }) => above.status)).toEqual(
      Array(4).fill(refusal('authentication-failed')),
    );
  });

  test('does not remember a wrong password', async () => {
    const { passwords, request } = start();
    request('by user');
    passwords.comparisons[0]?.(false);
    await turn();
    request('by user');
    expect(passwords.comparisons).toHaveLength(2);
  });

  test('compares the password again when a reload has changed or removed its user', async () => {
    const { directory, passwords, request } = start();
    request('by user');
    passwords.comparisons[0]?.(true);
    await turn();
    directory.current = directoryWith(anyHash.replace('aaa', 'bbb'));
    request('by user');
    expect(passwords.comparisons).toHaveLength(2);
    const withoutUsers = { tenants: [tenantConfig('red')], users: new Map() };
    const listeners = [listenerConfig('by user', { identify: ['user'] })];
    directory.current = directoryOf({ ...withoutUsers, listeners });
    expect(request('by user').above.status).toBe(refusal('authentication-failed'));
  });

  test('costs nothing when the client has cancelled before its turn', async () => {
    const { passwords, request } = start();
    request('by user');
    request('by user');
    const { handle } = request('by user');
    handle.cancel();
    request('by user');
    passwords.comparisons[0]?.(false);
    await turn();
    expect(passwords.comparisons).toHaveLength(3);
    passwords.comparisons[1]?.(false);
    passwords.comparisons[2]?.(false);
    await turn();
    expect(passwords.comparisons).toHaveLength(3);
  });

  test('does nothing after the client has cancelled', async () => {
    const { passwords, request } = start();
    const { above, handle } = request('by user');
    handle.cancel();
    passwords.comparisons[0]?.(true);
    await turn();
    expect(above.status).toBeNull();
  });

  test('is disabled on a listener that does not identify by user, and passes to etcd with the credentials', () => {
    const { below, request } = start();
    expect(request('open').above.status).toBe(refusal('authentication-off'));
    expect(below.calls).toEqual([]);
    request('through');
    expect(below.calls).toHaveLength(1);
  });

  test('AuthStatus reports whether authentication is enabled, with a header and the revision of the users', () => {
    const { request } = start();
    const enabled = new Writer().message(1, header).bool(2, true).varint(3, 2).finish();
    const disabled = new Writer().message(1, header).varint(3, 1).finish();
    expect(request('by user', '', 'status').above.texts).toEqual([Buffer.from(enabled).toString()]);
    expect(request('open', '', 'status').above.texts).toEqual([Buffer.from(disabled).toString()]);
  });
});

describe('a password hash', () => {
  test('of hashPassword matches its password and no other one', async () => {
    const passwords = new Passwords();
    const hash = parsePasswordHash(await hashPassword(Buffer.from('secret')));
    if (typeof hash === 'string') throw new Error(hash);
    expect(await passwords.matches(Buffer.from('secret'), hash)).toBe(true);
    expect(await passwords.matches(Buffer.from('secret '), hash)).toBe(false);
    expect(await passwords.matches(Buffer.alloc(1_025), hash)).toBe(false);
  });

  test('does not match its password with NUL bytes appended, whatever its kind', async () => {
    const passwords = new Passwords();
    for (const text of [await hashPassword(Buffer.from('secret')), hashSync('secret', 4)]) {
      const hash = parsePasswordHash(text);
      if (typeof hash === 'string') throw new Error(hash);
      expect(await passwords.matches(Buffer.from('secret'), hash)).toBe(true);
      for (const password of ['secret\0', 'secret\0\0\0', 'secret\0secret', '\0secret']) {
        expect(await passwords.matches(Buffer.from(password), hash), password).toBe(false);
      }
    }
    passwords.close();
  });

  test('of bcrypt is compared in a worker, which ends when it is closed', async () => {
    const passwords = new Passwords();
    const hash = parsePasswordHash('$2b$04$DXz3bnuWgvX6FnxVXyaxG.HVkfdmKX1L4T5Q5xZ3wOSrKLKdqZ9XK');
    if (typeof hash === 'string') throw new Error(hash);
    expect(await passwords.matches(Buffer.from('wrong'), hash)).toBe(false);
    const pending = passwords.matches(Buffer.from('wrong'), hash);
    passwords.close();
    await expect(pending).rejects.toThrow('the bcrypt worker has ended');
  });
});
