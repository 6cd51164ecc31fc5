import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { RefusalName } from '../../../src/call/refusals.ts';
import { refusal } from '../../../src/call/refusals.ts';
import { parsePasswordHash } from '../../../src/config/sections/users.ts';
import { authenticate } from '../../../src/identity/authenticate.ts';
import { HashingGate } from '../../../src/identity/hashing-gate.ts';
import { hashPassword, Passwords } from '../../../src/identity/password.ts';
import { Sessions } from '../../../src/identity/sessions.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../../support/tenancy.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const logInMethod = 'etcdserverpb.Auth/Authenticate';
const statusMethod = 'etcdserverpb.Auth/AuthStatus';

class SlowPasswords extends Passwords {
  answers: ((isRight: boolean) => void)[] = [];

  override isRight(): Promise<boolean> {
    return new Promise((resolve) => this.answers.push(resolve));
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

const anyHash = `$2b$04$${'a'.repeat(53)}`;

function start() {
  const directory = { current: directoryWith(anyHash) };
  const passwords = new SlowPasswords();
  const sessions = new Sessions(new ManualClock(), systemRandom);
  const below = new FakeEtcd<'client'>();
  const answers: (RefusalName | null)[] = [];
  const layer = authenticate({
    directory,
    sessions,
    passwords,
    gate: new HashingGate(),
    onAnswer: (_call, why) => void answers.push(why),
  });
  const etcd = onBytes(layer(below));
  const ask = (listener: string, user = 'red', name: 'log in' | 'status' = 'log in') => {
    const above = new Caller();
    const request = new Writer().string(1, user).string(2, 'secret').finish();
    const call = callOf(name === 'log in' ? logInMethod : statusMethod, { listener });
    const ongoing = etcd.unary(call, request, above);
    return { above, ongoing };
  };
  return { directory, passwords, sessions, below, answers, ask };
}

describe('Authenticate', () => {
  test('answers the right password with a token, and is not heard below', async () => {
    const { passwords, sessions, below, answers, ask } = start();
    const { above } = ask('by user');
    passwords.answers[0]?.(true);
    await turn();
    expect(above.status?.code).toBe(0);
    expect(above.texts[0]?.slice(-59)).toMatch(/^[\w-]{59}$/);
    expect([sessions.count, below.calls, answers]).toEqual([1, [], [null]]);
  });

  test('takes as long for a user who does not exist, and says no more', async () => {
    const { passwords, ask, answers } = start();
    const { above } = ask('by user', 'ghost');
    expect(passwords.answers).toHaveLength(1);
    passwords.answers[0]?.(true);
    await turn();
    expect(above.status).toBe(refusal('authentication-failed'));
    expect(answers).toEqual(['authentication-failed']);
  });

  test('refuses a password that was changed while it was being compared', async () => {
    const { directory, passwords, sessions, ask } = start();
    const { above } = ask('by user');
    directory.current = directoryWith(anyHash.replace('aaa', 'bbb'));
    passwords.answers[0]?.(true);
    await turn();
    expect(above.status).toBe(refusal('authentication-failed'));
    expect(sessions.count).toBe(0);
  });

  test('says nothing to a client that went away', async () => {
    const { passwords, ask } = start();
    const { above, ongoing } = ask('by user');
    ongoing.cancel();
    passwords.answers[0]?.(true);
    await turn();
    expect(above.status).toBeNull();
  });

  test('is off where nobody is identified by user, and etcd answers where credentials are passed on', () => {
    const { below, ask } = start();
    expect(ask('open').above.status).toBe(refusal('authentication-off'));
    expect(below.calls).toEqual([]);
    ask('through');
    expect(below.calls).toHaveLength(1);
  });

  test('AuthStatus says which of the two it is', () => {
    const { ask } = start();
    const enabled = new Writer().message(1, new Uint8Array(0)).bool(2, true).varint(3, 1).finish();
    const disabled = new Writer().message(1, new Uint8Array(0)).varint(3, 1).finish();
    expect(ask('by user', '', 'status').above.texts).toEqual([Buffer.from(enabled).toString()]);
    expect(ask('open', '', 'status').above.texts).toEqual([Buffer.from(disabled).toString()]);
  });
});

describe('a hash', () => {
  test('that we wrote is right for its password, and for no other', async () => {
    const passwords = new Passwords();
    const hash = parsePasswordHash(await hashPassword(Buffer.from('secret')));
    if (typeof hash === 'string') throw new Error(hash);
    expect(await passwords.isRight(Buffer.from('secret'), hash)).toBe(true);
    expect(await passwords.isRight(Buffer.from('secret '), hash)).toBe(false);
    expect(await passwords.isRight(Buffer.alloc(1_025), hash)).toBe(false);
  });

  test('of bcrypt is compared in a worker, which goes when it is closed', async () => {
    const passwords = new Passwords();
    const hash = parsePasswordHash('$2b$04$DXz3bnuWgvX6FnxVXyaxG.HVkfdmKX1L4T5Q5xZ3wOSrKLKdqZ9XK');
    if (typeof hash === 'string') throw new Error(hash);
    expect(await passwords.isRight(Buffer.from('wrong'), hash)).toBe(false);
    const unanswered = passwords.isRight(Buffer.from('wrong'), hash);
    passwords.close();
    await expect(unanswered).rejects.toThrow('has ended');
  });
});
