/** `export` and `import` as processes, against real etcd: what is exported from one namespace is imported into another. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../../src/cli/transfer/etcd-client.ts';
import { grantOnce, timeToLive } from '../../../src/cli/transfer/lease-call.ts';
import { LeaseKeeper } from '../../../src/cli/transfer/lease-keeper.ts';
import { AuthenticatedEtcd } from '../../support/authenticated-etcd.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd, startSecureEtcd } from '../../support/etcd.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { Relay } from '../../support/relay.ts';
import { Seeded, seed } from '../../support/seeded.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { plain, stored, Transfer, transfer } from '../../support/transfer.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('transfer');
let etcd: Etcd;
let client: GrpcClient;

beforeAll(async () => {
  etcd = await startEtcd();
  client = grpcClient(etcd.address);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await etcd[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const file = (name: string) => join(directory.path, name);
const from = (namespace: string, output: string, address = etcd.address) => [
  ...['export', `--endpoints=${address}`, `--namespace=${namespace}`, `--output=${output}`],
];
const into = (namespace: string, input: string, address = etcd.address) => [
  ...['import', `--endpoints=${address}`, `--namespace=${namespace}`, `--input=${input}`],
];
const succeeded = { code: 0 };

async function put(key: string | Buffer, value: string | Buffer, lease = '0'): Promise<void> {
  await client.call('etcdserverpb.KV/Put', {
    key: Buffer.from(key),
    value: Buffer.from(value),
    lease,
  });
}

/** Many keys in few calls. */
async function fill(prefix: string, count: number, make: (index: number) => Buffer) {
  for (let at = 0; at < count; at += 100) {
    const success = Array.from({ length: Math.min(100, count - at) }, (_, i) => ({
      request_put: {
        key: Buffer.from(`${prefix}${String(at + i).padStart(7, '0')}`),
        value: make(at + i),
      },
    }));
    await client.call('etcdserverpb.KV/Txn', { success });
  }
}

const revision = async () =>
  (await client.call('etcdserverpb.KV/Range', { key: Buffer.from('x') })).header?.revision ?? '';

const addressOf = ({ address }: Etcd) => ({
  host: '127.0.0.1',
  port: Number(address.split(':')[1]),
});

/** Names of files that an export has left behind under other names. */
const leftovers = () => readdirSync(directory.path).filter((name) => name.includes('partial'));

describe('a namespace that was exported', () => {
  test(`has the same keys after an import into another one, whatever bytes they are (SEED=${seed})`, async () => {
    const random = new Seeded(seed);
    const anyBytes = (length: number) =>
      Buffer.from(Array.from({ length }, () => random.below(256)));
    for (let i = 0; i < 60; i += 1) {
      await put(
        Buffer.concat([Buffer.from('a/'), anyBytes(1 + random.below(40))]),
        anyBytes(random.below(300)),
      );
    }
    await put('a/empty', '');
    for (const name of ['large-1', 'large-2', 'large-3', 'large-4'])
      await put(`a/${name}`, randomBytes(1 << 20));
    await put(Buffer.from('a/\xff\xff', 'latin1'), 'last');
    await put('a/\0', 'first');
    await fill('a/many/', 3_000, (i) => Buffer.from(`value ${i}`));
    await put('a0', 'a neighbour');
    await put('a', 'a neighbour');

    const exported = await transfer(from('a/', file('a.ebx')));
    expect(exported).toMatchObject({ code: 0, err: '' });
    const source = await stored(client, 'a/');
    expect(exported.out.toString()).toContain(`exported ${source.length} keys`);
    const before = await revision();
    expect(await transfer(into('b/', file('a.ebx')))).toMatchObject(succeeded);
    expect(plain(await stored(client, 'b/'))).toEqual(plain(source));
    expect(plain(await stored(client, 'a/'))).toEqual(plain(source));
    const after = await revision();
    expect(after).not.toBe(before);

    // Repeated: nothing is written.
    const again = await transfer(into('b/', file('a.ebx')));
    expect(again.out.toString()).toContain(
      `wrote 0 keys into namespace "b/", ${source.length} had the same value`,
    );
    expect(await revision()).toBe(after);
  });

  test('passes through standard output and standard input, with every compression', async () => {
    await fill('c/', 300, (i) => Buffer.from(`value ${i}`));
    for (const compression of ['none', 'gzip', 'zstd']) {
      const { out, err } = await transfer([...from('c/', '-'), `--compression=${compression}`]);
      expect(err).toContain('exported 300 keys');
      const imported = await transfer(into(`c-${compression}/`, '-'), out);
      expect(imported).toMatchObject(succeeded);
      expect(plain(await stored(client, `c-${compression}/`))).toEqual(
        plain(await stored(client, 'c/')),
      );
    }
  });

  test('may have pages that exceed the memory for a response', async () => {
    const value = randomBytes(1 << 20);
    for (let i = 0; i < 80; i += 1) await put(`huge/${String(i).padStart(3, '0')}`, value);
    const { code, err, out } = await transfer([...from('huge/', '-'), '--compression=none']);
    expect([code, err]).toEqual([0, expect.stringContaining('exported 80 keys')]);
    expect(out.length).toBeGreaterThan(80 << 20);
    expect(await transfer([...into('huge/', '-'), '--dry-run'], out)).toMatchObject(succeeded);
    await client.call('etcdserverpb.KV/DeleteRange', {
      key: Buffer.from('huge/'),
      range_end: Buffer.from('huge0'),
    });
  });

  test('may be empty', async () => {
    expect(await transfer(from('nothing/', file('nothing.ebx')))).toMatchObject(succeeded);
    const { code, out } = await transfer(into('nothing-else/', file('nothing.ebx')));
    expect([code, out.toString()]).toEqual([0, expect.stringContaining('wrote 0 keys')]);
  });

  test('is read at the revision that is asked for', async () => {
    await put('old/k', '1');
    const then = await revision();
    await put('old/k', '2');
    await put('old/l', '2');
    await transfer([...from('old/', file('old.ebx')), `--revision=${then}`]);
    await transfer(into('restored/', file('old.ebx')));
    expect(plain(await stored(client, 'restored/'))).toEqual([
      ['6b', Buffer.from('1').toString('base64')],
    ]);
  });
});

describe('an import', () => {
  test('refuses to overwrite, writes nothing then, and overwrites with --force', async () => {
    await fill('d/', 200, (i) => Buffer.from(`value ${i}`));
    await transfer(from('d/', file('d.ebx')));
    await put('e/0000150', 'other');
    await put('e/0000007', 'value 7');
    await put('e/unrelated', 'stays');
    const before = await revision();
    const refused = await transfer(into('e/', file('d.ebx')));
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('1 of 200 keys exist at the destination with another value');
    expect(refused.err).toContain('"e/0000150"');
    expect(await revision()).toBe(before);

    const planned = await transfer([...into('e/', file('d.ebx')), '--force', '--dry-run']);
    expect(planned).toMatchObject(succeeded);
    expect(planned.out.toString()).toContain('would write 199 keys');
    expect(await revision()).toBe(before);

    const forced = await transfer([...into('e/', file('d.ebx')), '--force']);
    expect(forced).toMatchObject(succeeded);
    expect(forced.out.toString()).toContain('1 had the same value, 1 of them overwritten');
    const expected = [
      ...plain(await stored(client, 'd/')),
      ['756e72656c61746564', Buffer.from('stays').toString('base64')],
    ];
    expect(plain(await stored(client, 'e/'))).toEqual(expected);
  });

  test('takes a key with the same value and a lease for a conflict, and with --force it stays when the lease ends', async () => {
    await put('x/k', 'v');
    await transfer(from('x/', file('x.ebx')));
    await client.call('etcdserverpb.Lease/LeaseGrant', { ID: '8000', TTL: '600' });
    await put('x/k', 'v', '8000');
    const before = await revision();
    const refused = await transfer(into('x/', file('x.ebx')));
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('1 of 1 keys exist at the destination with another value or');
    expect(await revision()).toBe(before);
    expect(await transfer([...into('x/', file('x.ebx')), '--force'])).toMatchObject(succeeded);
    await client.call('etcdserverpb.Lease/LeaseRevoke', { ID: '8000' });
    expect(await stored(client, 'x/')).toMatchObject([{ key: Buffer.from('k'), lease: '0' }]);
  });

  test('of a damaged file writes nothing', async () => {
    await fill('f/', 500, () => randomBytes(100));
    await transfer(from('f/', file('f.ebx')));
    const whole = readFileSync(file('f.ebx'));
    const changed = Buffer.from(whole);
    changed[whole.length - 30] = (changed[whole.length - 30] ?? 0) ^ 1;
    const before = await revision();
    for (const [damaged, reason] of [
      [whole.subarray(0, whole.length - 1), 'the file ends early'],
      [changed, 'the checksum does not match'],
      [Buffer.from('not an export'), 'not a file of `etcd-bulkhead export`'],
    ] as const) {
      writeFileSync(file('damaged.ebx'), damaged);
      for (const [input, bytes] of [
        [file('damaged.ebx'), undefined],
        ['-', damaged],
      ] as const) {
        const { code, err } = await transfer(into('damaged/', input), bytes);
        expect([code, err]).toEqual([1, expect.stringContaining(reason)]);
      }
    }
    expect(await revision()).toBe(before);
    expect(await stored(client, 'damaged/')).toEqual([]);
  });

  test('that was killed is completed by the next one', async () => {
    await fill('g/', 20_000, (i) => Buffer.from(`value ${i}`));
    await transfer(from('g/', file('g.ebx')));
    using interrupted = new Transfer(into('h/', file('g.ebx')));
    const count = async () =>
      Number(
        (
          await client.call('etcdserverpb.KV/Range', {
            key: Buffer.from('h/'),
            range_end: Buffer.from('h0'),
            count_only: true,
          })
        ).count,
      );
    await until('the first keys', async () => (await count()) > 0);
    interrupted.child.kill('SIGKILL');
    await interrupted.finish();
    const written = await count();
    const { code, out } = await transfer(into('h/', file('g.ebx')));
    expect([code, out.toString()]).toEqual([
      0,
      expect.stringContaining(`${written} had the same value`),
    ]);
    expect(plain(await stored(client, 'h/'))).toEqual(plain(await stored(client, 'g/')));
  });

  test('survives connections that break, and counts what a lost response has written', async () => {
    await fill('i/', 8_000, (i) => Buffer.from(`value ${i}`));
    await using relay = await Relay.to(etcd.address);
    const cutting = setInterval(() => relay.cut(), 150);
    try {
      const exported = await transfer(from('i/', file('i.ebx'), relay.address));
      expect(exported).toMatchObject(succeeded);
      const imported = await transfer(into('j/', file('i.ebx'), relay.address));
      expect(imported).toMatchObject(succeeded);
    } finally {
      clearInterval(cutting);
    }
    expect(plain(await stored(client, 'j/'))).toEqual(plain(await stored(client, 'i/')));
  });

  test('finds the limits of a cluster that accepts less than the default', async () => {
    await using small = await startEtcd({
      args: ['--max-txn-ops=10', '--max-request-bytes=200000'],
    });
    await fill('k/', 300, (i) => Buffer.alloc(i < 20 ? 60_000 : 10, 'x'));
    await transfer(from('k/', file('k.ebx')));
    expect(await transfer(into('k/', file('k.ebx'), small.address))).toMatchObject(succeeded);
    using other = grpcClient(small.address);
    expect(plain(await stored(other, 'k/'))).toEqual(plain(await stored(client, 'k/')));

    await put('l/large', Buffer.alloc(400_000));
    await transfer(from('l/', file('l.ebx')));
    const { code, err } = await transfer(into('l/', file('l.ebx'), small.address));
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('"l/large" has 400000 bytes, which the destination rejects'),
    ]);
  });
});

describe('an export that cannot be completed', () => {
  /** Starts an export whose output is not read, so that it stops in the middle of the namespace. */
  async function stalled(endpoints: string): Promise<Transfer> {
    const run = new Transfer([...from('wide/', '-', endpoints), '--compression=none']);
    await until('the first bytes', () => run.child.stdout.readableLength > 0 || isReadable(run));
    await sleep(500);
    return run;
  }
  const isReadable = (run: Transfer) => {
    run.child.stdout.pause();
    return run.child.stdout.readableLength > 0;
  };

  beforeAll(() => fill('wide/', 4_000, () => randomBytes(6_000)));

  test('continues at the same revision on another endpoint', async () => {
    const first = await Relay.to(etcd.address);
    await using second = await Relay.to(etcd.address);
    using run = await stalled(`${first.address},${second.address}`);
    await first[Symbol.asyncDispose]();
    second.cut();
    await put('wide/0000000', 'changed later');
    await put('wide/9', 'added later');
    const { code, out } = await run.finish();
    expect(code).toBe(0);
    writeFileSync(file('wide.ebx'), out);
    expect(await transfer(into('narrow/', file('wide.ebx')))).toMatchObject(succeeded);
    const copied = await stored(client, 'narrow/');
    expect(copied).toHaveLength(4_000);
    expect(copied[0]?.value).toHaveLength(6_000);
    const source = await stored(client, 'wide/');
    expect(plain(copied.slice(1))).toEqual(plain(source.slice(1, 4_000)));
  });

  test('reports a compaction, and leaves no file', async () => {
    using run = await stalled(etcd.address);
    await put('wide/1', 'x');
    await client.call('etcdserverpb.KV/Compact', { revision: await revision() });
    const { code, err } = await run.finish();
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('was compacted before all keys were read'),
    ]);

    const { code: again, err: why } = await transfer([
      ...from('wide/', file('compacted.ebx')),
      '--revision=2',
    ]);
    expect([again, why]).toEqual([
      1,
      expect.stringContaining('required revision has been compacted'),
    ]);
    expect(readdirSync(directory.path)).not.toContain('compacted.ebx');
    expect(leftovers()).toEqual([]);
  });

  test('fails after --max-outage, keeps the former file, and says what is wrong', async () => {
    writeFileSync(file('kept.ebx'), 'former');
    const started = performance.now();
    const { code, err } = await transfer([
      ...from('wide/', file('kept.ebx'), '127.0.0.1:1'),
      '--max-outage=1s',
    ]);
    expect(performance.now() - started).toBeLessThan(30_000);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/no endpoint is available; .*ECONNREFUSED/),
    ]);
    expect(readFileSync(file('kept.ebx'), 'utf8')).toBe('former');
    expect(leftovers()).toEqual([]);
  });

  test('removes its temporary file at a signal', async () => {
    using run = new Transfer([...from('wide/', file('signal.ebx'), '127.0.0.1:1')]);
    await until('its temporary file', () => leftovers().length === 1);
    run.child.kill('SIGTERM');
    const { code, err } = await run.finish();
    expect([code, err]).toEqual([1, expect.stringContaining('interrupted by SIGTERM')]);
    expect(readdirSync(directory.path)).not.toContain('signal.ebx');
    expect(leftovers()).toEqual([]);
  });
});

describe('leases', () => {
  const grant = async (ID: string, TTL: string) => {
    await client.call('etcdserverpb.Lease/LeaseGrant', { ID, TTL });
  };
  const ttl = (on: GrpcClient, ID: string) =>
    on.call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys: true });

  test('are listed by an export, left out by an import, and granted again with --with-leases', async () => {
    await grant('4660', '500');
    await put('m/leased', '1', '4660');
    await put('m/plain', '2');
    const exported = await transfer(from('m/', file('m.ebx')));
    expect(exported.out.toString()).toMatch(/1 keys have one of 1 leases/);
    expect(exported.out.toString()).toMatch(/"m\/leased" lease 4660 expires in \d+ s/);

    expect((await transfer(into('n/', file('m.ebx')))).out.toString()).toContain(
      '1 keys had a lease and were imported without one',
    );
    expect((await stored(client, 'n/')).map(({ lease }) => lease)).toEqual(['0', '0']);

    const withLeases = await transfer([...into('o/', file('m.ebx')), '--with-leases']);
    expect(withLeases.out.toString()).toContain('granted 1 of 1 leases');
    const [leased, unleased] = await stored(client, 'o/');
    expect(unleased?.lease).toBe('0');
    // Another namespace of the same cluster must not share the lease.
    expect(leased?.lease).not.toBe('4660');
    expect(await ttl(client, leased?.lease ?? '')).toMatchObject({
      grantedTTL: '500',
      keys: [Buffer.from('o/leased')],
    });

    const again = await transfer([...into('o/', file('m.ebx')), '--with-leases']);
    expect(again.out.toString()).toContain('granted 0 of 1 leases');
    expect(again.out.toString()).toContain('wrote 0 keys');
    expect((await stored(client, 'o/'))[0]?.lease).toBe(leased?.lease);

    // Into the namespace that they come from, on another cluster: the same ID.
    await using another = await startEtcd();
    expect(
      await transfer([...into('m/', file('m.ebx'), another.address), '--with-leases']),
    ).toMatchObject(succeeded);
    using there = grpcClient(another.address);
    expect((await stored(there, 'm/')).map(({ lease }) => lease)).toEqual(['4660', '0']);
  });

  test('of a tenant keep the ID that the tenant knows, directly and through the proxy', async () => {
    await using proxy = await startTestProxy({
      endpoints: [etcd.address],
      tenants: [
        { name: 'p', namespace: 'p/' },
        { name: 'q', namespace: 'q/' },
        { name: 'r', namespace: 'r/' },
      ],
    });
    using p = grpcClient(proxy.address('p'));
    using q = grpcClient(proxy.address('q'));
    using r = grpcClient(proxy.address('r'));
    await p.call('etcdserverpb.Lease/LeaseGrant', { ID: '77', TTL: '300' });
    await p.call('etcdserverpb.KV/Put', {
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      lease: '77',
    });

    // Exported and imported with stored keys.
    await transfer(from('p/', file('p.ebx')));
    await transfer([...into('q/', file('p.ebx')), '--with-leases']);
    expect((await stored(q, ''))[0]).toMatchObject({ key: Buffer.from('k'), lease: '77' });
    expect(await ttl(q, '77')).toMatchObject({ grantedTTL: '300' });

    // And as a tenant.
    const exported = await transfer(from('', file('tenant.ebx'), proxy.address('p')));
    expect(exported).toMatchObject(succeeded);
    const imported = await transfer([
      ...into('', file('tenant.ebx'), proxy.address('r')),
      '--with-leases',
    ]);
    expect(imported).toMatchObject({ code: 0, err: '' });
    expect((await stored(r, ''))[0]).toMatchObject({ key: Buffer.from('k'), lease: '77' });
    const [one] = await stored(client, 'p/');
    const [other] = await stored(client, 'r/');
    expect(other?.lease).not.toBe(one?.lease);
  });

  test('that have expired take their keys with them', async () => {
    await grant('5000', '2');
    await grant('5001', '400');
    await put('s/short', '1', '5000');
    await put('s/long', '1', '5001');
    const then = await revision();
    await client.call('etcdserverpb.Lease/LeaseRevoke', { ID: '5000' });
    await transfer([...from('s/', file('s.ebx')), `--revision=${then}`]);
    const { code, out } = await transfer([...into('t/', file('s.ebx')), '--with-leases']);
    expect([code, out.toString()]).toEqual([
      0,
      expect.stringContaining('1 of expired leases left out'),
    ]);
    expect((await stored(client, 't/')).map(({ key }) => key.toString())).toEqual(['long']);
  });
});

test('leases are renewed as long as an import runs', async () => {
  const config = {
    endpoints: [{ name: etcd.address, address: addressOf(etcd), tls: null }],
    ...{ login: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 },
    transport: 'native' as const,
  };
  using own = await EtcdClient.connect(config, { outageMsMax: 10_000 });
  using keeper = new LeaseKeeper(own);
  for (const id of [6000n, 6001n]) {
    expect(await grantOnce(own, id, 2)).toBe('granted');
    expect(await grantOnce(own, id, 2)).toBe('present');
  }
  await expect(grantOnce(own, 6000n, 3)).rejects.toThrow(
    'exists at the destination with a TTL of 2 s',
  );
  keeper.keep(6000n, 2, 'granted');
  await until(
    'the end of the other one',
    async () => (await timeToLive(own, 6001n)).remainingSeconds < 0,
  );
  await sleep(1_000);
  expect((await timeToLive(own, 6000n)).remainingSeconds).toBeGreaterThanOrEqual(0);
});

describe('a cluster', () => {
  test('with TLS and client certificates', async () => {
    using authority = new CertificateAuthority();
    const server = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    const user = authority.issue({ name: '/CN=operator' });
    const secure = await startSecureEtcd(authority, server);
    await using running = secure.etcd;
    using there = grpcClient(running.address);
    const flags = [
      `--cacert=${authority.certificateFile}`,
      `--cert=${user.certificateFile}`,
      `--key=${user.keyFile}`,
    ];
    await put('u/k', 'v');
    await transfer(from('u/', file('u.ebx')));
    expect(
      await transfer([...into('u/', file('u.ebx'), secure.secureUrl), ...flags]),
    ).toMatchObject(succeeded);
    expect(
      await transfer([...from('u/', file('u2.ebx'), secure.secureUrl), ...flags]),
    ).toMatchObject(succeeded);
    expect(plain(await stored(there, 'u/'))).toEqual(plain(await stored(client, 'u/')));
    const untrusted = await transfer([
      ...from('u/', file('u3.ebx'), secure.secureUrl),
      '--max-outage=1s',
    ]);
    expect([untrusted.code, untrusted.err]).toEqual([1, expect.stringContaining('certificate')]);
  });

  test('with authentication, of a user that may use one namespace', async () => {
    await using authenticated = await AuthenticatedEtcd.start();
    const { 'password-file': password } = authenticated.settings;
    const login = ['--user=bulkhead', `--password-file=${password}`];
    const { address } = authenticated.etcd;
    await put('v/k', 'v');
    await transfer(from('v/', file('v.ebx')));
    expect(await transfer([...into('game/', file('v.ebx'), address), ...login])).toMatchObject(
      succeeded,
    );
    expect(await transfer([...from('game/', file('game.ebx'), address), ...login])).toMatchObject(
      succeeded,
    );
    const denied = await transfer([...into('other/', file('v.ebx'), address), ...login]);
    expect([denied.code, denied.err]).toEqual([
      1,
      expect.stringContaining('etcdserver: permission denied'),
    ]);
    authenticated.writePassword('wrong');
    const rejected = await transfer([...from('game/', file('x.ebx'), address), ...login]);
    expect([rejected.code, rejected.err]).toEqual([
      1,
      expect.stringContaining('cannot log in: etcdserver: authentication failed'),
    ]);
  });
});

describe('the command line', () => {
  test('has every problem in one report', async () => {
    const { code, err } = await transfer([
      'export',
      '--endpoint=x',
      '--compression=lzma',
      '--key=/nowhere',
    ]);
    expect(code).toBe(64);
    for (const text of [
      '--endpoint: unknown flag; did you mean "--endpoints"?',
      '--output: is required',
      '--namespace: is required',
      '/nowhere',
    ]) {
      expect(err).toContain(text);
    }
    expect(
      (await transfer(['export', '--namespace=', '--output=-', '--compression=lzma'])).err,
    ).toContain('--compression: must be none, gzip, zstd, not "lzma"');
  });

  test('reads the environment of a sidecar', async () => {
    await put('w/k', 'v');
    const environment = {
      ETCD_BULKHEAD_ENDPOINTS: etcd.address,
      ETCD_BULKHEAD_NAMESPACE: 'w/',
      ETCD_BULKHEAD_LISTEN_ADDR: etcd.address,
      ETCD_BULKHEAD_ADMIN_ADDR: etcd.address,
    };
    const { code, err } = await transfer(['export', '--output=-'], undefined, environment);
    expect([code, err]).toEqual([0, expect.stringContaining('exported 1 keys of namespace "w/"')]);
  });
});
