/**
 * Two processes of the proxy in front of one etcd, as two replicas of a gateway: with shared secrets a client can move between
 * them at any moment. Each is the program itself, on ports of its own.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { hashPassword } from '../../src/identity/password.ts';
import { type GrpcClient, grpcClient, refusal } from '../support/client.ts';
import { logIn } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Program } from '../support/program.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const directory = new TemporaryDirectory('replicas');
const invalidToken = { code: Code.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' };
const key = Buffer.from('state');
let etcd: Etcd;
let usersFile: string;

beforeAll(async () => {
  etcd = await startEtcd();
  usersFile = write('users', `game:${await hashPassword(Buffer.from('pass'))}\n`);
});

afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function write(name: string, text: string): string {
  const path = join(directory.path, name);
  writeFileSync(path, text);
  return path;
}

const secret = () => randomBytes(32).toString('base64');

/** One replica. Files with secrets have names, so that a test decides which replicas share them. */
class Replica implements Disposable {
  readonly program: Program;
  address = '';
  client: GrpcClient = grpcClient('127.0.0.1:1');

  constructor(name: string, files: { readonly keys: string; readonly lease: string }) {
    const config = {
      endpoints: [etcd.address],
      'users-file': usersFile,
      'token-key-file': files.keys,
      'lease-secret-file': files.lease,
      'drain-window': '0s',
      tenants: [{ name: 'game', namespace: 'game/' }],
      listeners: [{ address: '127.0.0.1:0', identify: 'user' }],
    };
    const path = write(`${name}.yaml`, JSON.stringify(config));
    this.program = new Program(['run', `--config=${path}`, '--admin-addr=127.0.0.1:0']);
  }

  async serving(): Promise<this> {
    const { addresses } = await this.program.serving();
    this.address = addresses[0] ?? '';
    this.client = grpcClient(this.address);
    return this;
  }

  logIn(): Promise<string> {
    return logIn(this.client, 'game', 'pass');
  }

  put(token: string, value: string, lease = '0') {
    const request = { key, value: Buffer.from(value), lease };
    return this.client.call('etcdserverpb.KV/Put', request, { metadata: { token } });
  }

  /** Loads the files again, and waits until they are active. */
  async reload(): Promise<void> {
    const count = () => this.program.out.split('"event":"reloaded"').length;
    const before = count();
    this.program.kill('SIGHUP');
    await until('reload', () => count() > before);
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.program[Symbol.dispose]();
  }
}

describe('two replicas that share their secrets', () => {
  const keys = () => write('keys', `${secret()}\n`);
  const lease = () => write('lease', secret());
  let one: Replica;
  let other: Replica;

  beforeAll(async () => {
    const files = { keys: keys(), lease: lease() };
    one = new Replica('one', files);
    other = new Replica('other', files);
    await Promise.all([one.serving(), other.serving()]);
  });

  afterAll(() => {
    one[Symbol.dispose]();
    other[Symbol.dispose]();
  });

  test('accept the tokens of each other', async () => {
    const token = await one.logIn();
    await other.put(token, 'a');
    await one.put(await other.logIn(), 'b');
    // The first byte after the session ID is signed.
    const forged = `${token.slice(0, 16)}${token[16] === 'A' ? 'B' : 'A'}${token.slice(17)}`;
    expect(await refusal(other.put(forged, 'c'))).toMatchObject(invalidToken);
  });

  test('renew, use and revoke the leases of each other', async () => {
    const token = await one.logIn();
    const options = { metadata: { token } };
    const { ID } = await one.client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 }, options);
    await other.put(token, 'leased', ID);
    using stream = other.client.stream('etcdserverpb.Lease/LeaseKeepAlive', options);
    stream.send({ ID });
    expect(await stream.next()).toMatchObject({ ID, TTL: '60' });
    const request = { ID, keys: true };
    const found = await other.client.call('etcdserverpb.Lease/LeaseTimeToLive', request, options);
    expect(found.keys).toEqual([key]);
    const { leases } = await other.client.call('etcdserverpb.Lease/LeaseLeases', {}, options);
    expect(leases.map((each) => each.ID)).toContain(ID);
    await other.client.call('etcdserverpb.Lease/LeaseRevoke', { ID }, options);
    const { kvs } = await one.client.call('etcdserverpb.KV/Range', { key }, options);
    expect(kvs).toEqual([]);
  });

  test('keep a session while their key is rotated, and end it with its key', async () => {
    const before = secret();
    const after = secret();
    const steps = [
      [before, after],
      [after, before],
    ];
    write('keys', `${before}\n`);
    await Promise.all([one.reload(), other.reload()]);
    const old = await one.logIn();
    for (const step of steps) {
      write('keys', `${step.join('\n')}\n`);
      // Meanwhile one replica is a step ahead.
      await one.reload();
      await one.put(await other.logIn(), 'd');
      await other.put(await one.logIn(), 'e');
      await other.reload();
      await other.put(old, 'f');
    }
    write('keys', `${after}\n`);
    await Promise.all([one.reload(), other.reload()]);
    expect(await refusal(other.put(old, 'g'))).toMatchObject(invalidToken);
    expect(await refusal(one.put(old, 'g'))).toMatchObject(invalidToken);
    await other.put(await one.logIn(), 'h');
  });

  test('hand a watch over without a lost or repeated event, when one drains and when one is killed', async () => {
    const token = await one.logIn();
    const seen: string[] = [];
    const written: string[] = [];
    let revision = Number((await one.put(token, 'start')).header?.revision);
    const follow = async (replica: Replica): Promise<number> => {
      using stream = replica.client.stream('etcdserverpb.Watch/Watch', { metadata: { token } });
      stream.send({ create_request: { key, start_revision: revision + 1 } });
      for (;;) {
        const next = await stream.next(30_000).catch(() => null);
        if (next === null) return (await stream.ended()).code;
        for (const { kv } of next.events) {
          seen.push(kv.value.toString());
          revision = Number(kv.mod_revision);
        }
      }
    };
    const puts = async (replica: Replica, count: number) => {
      for (let i = 0; i < count; i++) {
        const value = `${written.length}`;
        await replica.put(token, value);
        written.push(value);
      }
    };

    using third = await new Replica('third', {
      keys: join(directory.path, 'keys'),
      lease: join(directory.path, 'lease'),
    }).serving();
    // A drain. The writer has moved already.
    const atThird = follow(third);
    await puts(third, 10);
    await until('the events of the first replica', () => seen.length === written.length);
    third.program.kill('SIGTERM');
    await puts(one, 10);
    expect(await atThird).toBe(Code.UNAVAILABLE);
    // The rest comes from the other replica, which is then killed.
    const atOther = follow(other);
    await puts(one, 10);
    await until('the events of the second replica', () => seen.length === written.length);
    other.program.kill('SIGKILL');
    await puts(one, 10);
    expect(await atOther).toBe(Code.UNAVAILABLE);
    void follow(one);
    await until('the events of the third replica', () => seen.length === written.length);
    expect(seen).toEqual(written);
  });
});

test('replicas with secrets of their own reject the tokens and do not know the leases of each other', async () => {
  const files = (name: string) => ({
    keys: write(`keys-${name}`, secret()),
    lease: write(`lease-${name}`, secret()),
  });
  using one = new Replica('own', files('one'));
  using other = new Replica('foreign', files('other'));
  await Promise.all([one.serving(), other.serving()]);
  const token = await one.logIn();
  expect(await refusal(other.put(token, 'a'))).toMatchObject(invalidToken);
  const { ID } = await one.client.call(
    'etcdserverpb.Lease/LeaseGrant',
    { TTL: 60 },
    { metadata: { token } },
  );
  const own = await other.logIn();
  expect(await refusal(other.put(own, 'a', ID))).toMatchObject({
    ...{ code: Code.NOT_FOUND, details: 'etcdserver: requested lease not found' },
  });
});
