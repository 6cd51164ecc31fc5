/** `mirror` as a process, between real clusters. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AuthenticatedEtcd } from '../../support/authenticated-etcd.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { startCluster } from '../../support/cluster.ts';
import { type Etcd, startEtcd, startSecureEtcd } from '../../support/etcd.ts';
import { Program } from '../../support/program.ts';
import { startTestProxy, type TestProxy } from '../../support/proxy.ts';
import { Relay } from '../../support/relay.ts';
import { plain, stored, transfer } from '../../support/transfer.ts';
import { until } from '../../support/until.ts';

let source: Etcd;
let destination: Etcd;
let from: GrpcClient;
let to: GrpcClient;

beforeAll(async () => {
  source = await startEtcd();
  destination = await startEtcd();
  from = grpcClient(source.address);
  to = grpcClient(destination.address);
});

afterAll(async () => {
  from[Symbol.dispose]();
  to[Symbol.dispose]();
  await source[Symbol.asyncDispose]();
  await destination[Symbol.asyncDispose]();
});

interface Ends {
  readonly from?: string;
  readonly to?: string;
}

/** The arguments of a mirror of a namespace to the same one, with all keys below `NAME/`. */
const mirrorOf = (name: string, ends: Ends = {}, namespace = `${name}/`) => [
  ...['mirror', `--endpoints=${ends.from ?? source.address}`, `--namespace=${namespace}`],
  ...[`--dest-endpoints=${ends.to ?? destination.address}`, `--dest-namespace=${namespace}`],
];

const put = (client: GrpcClient, key: string, value: string | Buffer, lease = '0') =>
  client.call('etcdserverpb.KV/Put', { key: Buffer.from(key), value: Buffer.from(value), lease });

const remove = (client: GrpcClient, key: string, end?: string) =>
  client.call('etcdserverpb.KV/DeleteRange', {
    key: Buffer.from(key),
    ...(end !== undefined && { range_end: Buffer.from(end) }),
  });

const get = async (client: GrpcClient, key: string) =>
  (await client.call('etcdserverpb.KV/Range', { key: Buffer.from(key) })).kvs[0];

const revisionOf = async (client: GrpcClient) =>
  (await client.call('etcdserverpb.KV/Range', { key: Buffer.from('x') })).header?.revision ?? '';

const compact = async () =>
  from.call('etcdserverpb.KV/Compact', { revision: await revisionOf(from) });

const texts = async (client: GrpcClient, prefix: string) =>
  (await stored(client, prefix)).map(({ key, value }) => `${key}=${value}`);

/** Resolves when the destination has what the source has. */
const equal = (prefix: string, a = from, b = to) =>
  until(
    () => `equal keys of ${prefix}`,
    async () =>
      JSON.stringify(plain(await stored(a, prefix))) ===
      JSON.stringify(plain(await stored(b, prefix))),
  );

/** The fields of the log lines of an event. */
const lines = (out: string, event: string) =>
  out
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('a mirror', () => {
  test('copies, follows, and continues where it was', async () => {
    await put(from, 'a/1', 'one');
    await put(from, 'a/2', '');
    await put(from, 'b/1', 'a neighbour');
    {
      using program = new Program(mirrorOf('a'));
      await equal('a/');
      await put(from, 'a/3', Buffer.alloc(1 << 20, 7));
      await remove(from, 'a/1');
      await equal('a/');
      program.kill('SIGTERM');
      expect(await program.ended).toEqual([0, null]);
    }
    expect(await get(to, 'b/1')).toBeUndefined();
    await put(from, 'a/1', 'again');
    await remove(from, 'a/2');
    const before = await revisionOf(to);
    using program = new Program(mirrorOf('a'));
    await equal('a/');
    expect(lines(program.out, 'copying')).toEqual([]);
    // One to take over, and two changes in one transaction.
    expect(Number(await revisionOf(to)) - Number(before)).toBeLessThanOrEqual(3);
    expect(await texts(to, 'a/')).toEqual(await texts(from, 'a/'));
  });

  test('applies a revision with more changes than a transaction may have', async () => {
    for (let at = 0; at < 9_000; at += 100) {
      const success = Array.from({ length: 100 }, (_, i) => ({
        request_put: { key: Buffer.from(`c/${at + i}`), value: Buffer.from('v') },
      }));
      await from.call('etcdserverpb.KV/Txn', { success });
    }
    using program = new Program(mirrorOf('c'));
    await program.printed('out', /"event":"following"/);
    await remove(from, 'c/', 'c0');
    await put(from, 'c/last', 'v');
    await equal('c/');
    expect(await texts(to, 'c/')).toEqual(['last=v']);
  });

  test('that was killed within a split revision continues behind the changes that were applied', async () => {
    const positionKey = 'etcd-bulkhead/mirror/t/';
    {
      using program = new Program(mirrorOf('t'));
      await program.printed('out', /"event":"following"/);
      const success = Array.from({ length: 128 }, (_, i) => ({
        request_put: { key: Buffer.from(`t/${String(i).padStart(3, '0')}`) },
      }));
      await from.call('etcdserverpb.KV/Txn', { success });
      await equal('t/');
    }
    using stream = to.stream('etcdserverpb.Watch/Watch');
    stream.send({ create_request: { key: Buffer.from(positionKey), start_revision: '1' } });
    const positions: string[] = [];
    while (!positions.some((text) => text.includes('"applied":127'))) {
      const { events } = await stream.next();
      positions.push(...events.map(({ kv }) => kv.value.toString()));
    }
    // As it was before the second transaction.
    const between = positions.find((text) => text.includes('"applied":127')) ?? '';
    await put(to, positionKey, between);
    await put(from, 't/last', 'v');
    using _program = new Program(mirrorOf('t'));
    await equal('t/');
    const { kvs } = await to.call('etcdserverpb.KV/Range', {
      key: Buffer.from('t/'),
      range_end: Buffer.from('t0'),
    });
    const repeated = kvs.filter(({ version }) => version !== '1').map(({ key }) => key.toString());
    expect(repeated).toEqual(['t/127']);
  });

  test('that was killed within a revision of many changes does not move its position backwards', async () => {
    const positionKey = 'etcd-bulkhead/mirror/w/';
    /** The first positions from a revision on, up to one with this text. */
    const positionsFrom = async (revision: string, last: string) => {
      using stream = to.stream('etcdserverpb.Watch/Watch');
      stream.send({ create_request: { key: Buffer.from(positionKey), start_revision: revision } });
      const positions: string[] = [];
      const end = () => positions.findIndex((text) => text.includes(last));
      while (end() === -1) {
        const { events } = await stream.next();
        positions.push(...events.map(({ kv }) => kv.value.toString()));
      }
      return positions.slice(0, end() + 1);
    };
    for (let at = 0; at < 4_500; at += 100) {
      const success = Array.from({ length: 100 }, (_, i) => ({
        request_put: { key: Buffer.from(`w/${at + i}`) },
      }));
      await from.call('etcdserverpb.KV/Txn', { success });
    }
    {
      using program = new Program(mirrorOf('w'));
      await program.printed('out', /"event":"following"/);
      await remove(from, 'w/', 'w0');
      await put(from, 'w/last', 'v');
      await equal('w/');
    }
    // 4,096 changes are one part of the revision. This is in the second one.
    const applied = 4_096 + 127;
    const before = await positionsFrom('1', `"applied":${applied}`);
    await put(to, positionKey, before.at(-1) ?? '');
    const start = await revisionOf(to);
    await remove(to, 'w/last');
    using program = new Program(mirrorOf('w'));
    await program.printed('out', /"event":"following"/);
    await equal('w/');
    const after = await positionsFrom(start, '"applied":0');
    const counts = after.map((text) => Number(/"applied":(\d+)/.exec(text)?.[1]));
    // The position that was put back, the one that takes over, and the rest of the second part.
    expect(counts).toEqual([applied, applied, applied + 127, applied + 254, 0]);
  });

  test('has keys without their leases, and deletes them when the lease ends', async () => {
    await from.call('etcdserverpb.Lease/LeaseGrant', { ID: '99', TTL: '600' });
    await put(from, 'd/leased', 'v', '99');
    using _program = new Program(mirrorOf('d'));
    await equal('d/');
    expect((await get(to, 'd/leased'))?.lease).toBe('0');
    await from.call('etcdserverpb.Lease/LeaseRevoke', { ID: '99' });
    await until('the deletion', async () => (await get(to, 'd/leased')) === undefined);
  });

  test('writes a key that has the right value and a lease, with which it would disappear', async () => {
    for (const key of ['v/1', 'v/2']) await put(from, key, 'v');
    await to.call('etcdserverpb.Lease/LeaseGrant', { ID: '98', TTL: '600' });
    await put(to, 'v/1', 'v', '98');
    await put(to, 'v/2', 'v');
    expect(await transfer([...mirrorOf('v'), '--once', '--force'])).toMatchObject({ code: 0 });
    await to.call('etcdserverpb.Lease/LeaseRevoke', { ID: '98' });
    expect(await texts(to, 'v/')).toEqual(['1=v', '2=v']);
    expect((await get(to, 'v/2'))?.version).toBe('1');
  });

  test('compares everything after a compaction, deletes what is gone and writes only what differs', async () => {
    for (let i = 0; i < 300; i += 1) await put(from, `e/${i}`, `value ${i}`);
    {
      using _program = new Program(mirrorOf('e'));
      await equal('e/');
    }
    await remove(from, 'e/7');
    await remove(from, 'e/8');
    await put(from, 'e/9', 'changed');
    await put(from, 'e/new', 'new');
    await compact();
    using program = new Program(mirrorOf('e'));
    await equal('e/');
    await until('the end of the copy', () => lines(program.out, 'copied').length > 0);
    expect(lines(program.out, 'compacted')).toHaveLength(1);
    expect(lines(program.out, 'copied')).toMatchObject([
      { comparedKeys: 299, puts: 2, deletes: 2 },
    ]);
    expect((await get(to, 'e/10'))?.version).toBe('1');
  });

  test('survives broken connections to both sides', async () => {
    await using near = await Relay.to(source.address);
    await using far = await Relay.to(destination.address);
    using program = new Program(mirrorOf('f', { from: near.address, to: far.address }));
    await program.printed('out', /"event":"following"/);
    for (let i = 0; i < 60; i += 1) {
      await put(from, `f/${i}`, `value ${i}`);
      if (i % 7 === 0) near.cut();
      if (i % 11 === 0) far.cut();
    }
    await equal('f/');
    for (const { version } of (
      await to.call('etcdserverpb.KV/Range', {
        key: Buffer.from('f/'),
        range_end: Buffer.from('f0'),
      })
    ).kvs) {
      expect(version).toBe('1');
    }
    expect(lines(program.out, 'copying')).toHaveLength(1);
  });

  test('does not keep a watch on a member without a leader, whose changes would be missing', async () => {
    await using cluster = await startCluster(3);
    const [first, ...others] = cluster.members as [Etcd, ...Etcd[]];
    using client = grpcClient(first.address);
    using program = new Program(mirrorOf('u', { from: first.address }));
    await program.printed('out', /"event":"following"/);
    for (const other of others) other.pause();
    try {
      await program.printed('out', /"reason":"Watch: etcdserver: no leader"/);
    } finally {
      for (const other of others) other.resume();
    }
    await until('a leader', async () => {
      const written = put(client, 'u/1', 'v');
      return written.then(
        () => true,
        () => false,
      );
    });
    await equal('u/', client);
  });

  test('reports its lag, position and counts at the admin address', async () => {
    await put(from, 'g/1', 'v');
    using program = new Program([...mirrorOf('g'), '--admin-addr=127.0.0.1:0']);
    const { admin } = await program.serving();
    await equal('g/');
    const page = async (path: string) => {
      const response = await fetch(`http://${admin}${path}`);
      return [response.status, await response.text()] as const;
    };
    expect((await page('/livez'))[0]).toBe(200);
    expect((await page('/readyz'))[0]).toBe(200);
    await until('its lag', async () =>
      (await page('/metrics'))[1].includes('mirror_lag_seconds 0\n'),
    );
    await put(from, 'g/2', 'v');
    await equal('g/');
    await until('the count', async () =>
      (await page('/metrics'))[1].includes('mirror_puts_total 2\n'),
    );
    const [, metrics] = await page('/metrics');
    expect(metrics).toContain('etcd_bulkhead_mirror_copies_total{reason="first"} 1');
    expect(metrics).toContain('etcd_bulkhead_mirror_phase{phase="following"} 1');
    expect(metrics).toContain(`etcd_bulkhead_mirror_position_revision ${await revisionOf(from)}`);
    // A destination that does not respond: the lag grows.
    destination.pause();
    try {
      await put(from, 'g/3', 'v');
      await until('a lag', async () => {
        const lag = /mirror_lag_seconds ([\d.]+)/.exec((await page('/metrics'))[1]);
        return Number(lag?.[1]) > 0.5;
      });
    } finally {
      destination.resume();
    }
    await equal('g/');
  });
});

describe('two mirrors to one destination', () => {
  test('do not both write: the one that was started first ends', async () => {
    await put(from, 'h/1', 'v');
    using first = new Program(mirrorOf('h'));
    await first.printed('out', /"event":"following"/);
    using second = new Program(mirrorOf('h'));
    await second.printed('out', /"event":"following"/);
    await put(from, 'h/2', 'v');
    expect(await first.ended).toEqual([1, null]);
    expect(lines(first.out, 'failed')).toMatchObject([
      { reason: expect.stringContaining('another mirror has taken over') },
    ]);
    await equal('h/');
    expect((await get(to, 'h/2'))?.version).toBe('1');
  });
});

describe('a mirror does not begin', () => {
  const refused = async (args: readonly string[], reason: string) => {
    const { code, out } = await transfer(args);
    expect([code, lines(out.toString(), 'failed')]).toMatchObject([
      1,
      [{ reason: expect.stringContaining(reason) }],
    ]);
  };

  test('to a destination that has keys, unless it is forced', async () => {
    await put(from, 'i/1', 'v');
    await put(to, 'i/other', 'v');
    await refused(mirrorOf('i'), 'the destination has 1 keys and no position of a mirror');
    expect(await texts(to, 'i/')).toEqual(['other=v']);
    expect(await transfer([...mirrorOf('i'), '--once', '--force'])).toMatchObject({ code: 0 });
    expect(await texts(to, 'i/')).toEqual(['1=v']);
  });

  test('from another cluster than before, unless it is forced', async () => {
    await put(from, 'j/1', 'v');
    expect(await transfer([...mirrorOf('j'), '--once'])).toMatchObject({ code: 0 });
    await using replaced = await startEtcd();
    using client = grpcClient(replaced.address);
    await put(client, 'j/2', 'v');
    const args = mirrorOf('j', { from: replaced.address });
    await refused([...args, '--once'], 'the destination is a mirror of namespace "j/" of cluster');
    expect(await texts(to, 'j/')).toEqual(['1=v']);
    expect(await transfer([...args, '--once', '--force'])).toMatchObject({ code: 0 });
    expect(await texts(to, 'j/')).toEqual(['2=v']);
  });

  test('into itself', async () => {
    await put(from, 'k/1', 'v');
    const within = [
      'mirror',
      `--endpoints=${source.address}`,
      `--dest-endpoints=${source.address}`,
    ];
    for (const [one, other] of [
      ['k/', 'k/'],
      ['k/', 'k/below/'],
    ]) {
      const args = [...within, `--namespace=${one}`, `--dest-namespace=${other}`, '--force'];
      await refused(args, 'the same keys, or one contains the other');
    }
    expect(await texts(from, 'k/')).toEqual(['1=v']);
    expect(await stored(from, 'etcd-bulkhead/')).toEqual([]);
    // Beside it, in the same cluster.
    const beside = [...within, '--namespace=k/', '--dest-namespace=l/', '--once'];
    expect(await transfer(beside)).toMatchObject({ code: 0 });
    expect(await texts(from, 'l/')).toEqual(['1=v']);
  });

  test('with a key of the position that holds something else', async () => {
    await put(to, 'precious', 'v');
    await refused(
      [...mirrorOf('m'), '--position-key=precious'],
      'is not a position of this version',
    );
    expect((await get(to, 'precious'))?.value.toString()).toBe('v');
  });

  test('with an invalid command line, and reports all problems', async () => {
    const { code, err } = await transfer([
      'mirror',
      '--namespace=',
      '--dest-cert=/nowhere',
      '--dest-endpoints=:x:',
    ]);
    expect(code).toBe(64);
    for (const text of ['--dest-namespace: is required', '--dest-endpoints: ', '--dest-cert: ']) {
      expect(err).toContain(text);
    }
  });
});

describe('with --once', () => {
  test('it ends when the destination has the current revision, and writes nothing twice', async () => {
    for (let i = 0; i < 200; i += 1) await put(from, `n/${i}`, 'v');
    expect(await transfer([...mirrorOf('n'), '--once'])).toMatchObject({ code: 0 });
    await equal('n/');
    await put(from, 'n/7', 'changed');
    await remove(from, 'n/8');
    await put(from, 'o/1', 'the last change is to another namespace');
    const { code, out } = await transfer([...mirrorOf('n'), '--once']);
    expect(code).toBe(0);
    await equal('n/');
    expect(lines(out.toString(), 'stopped')).toMatchObject([{ puts: 1, deletes: 1 }]);
    expect((await get(to, 'n/9'))?.version).toBe('1');
    const again = await transfer([...mirrorOf('n'), '--once']);
    expect(lines(again.out.toString(), 'stopped')).toMatchObject([{ puts: 0, deletes: 0 }]);
  });

  test('it fails after an outage', async () => {
    const args = [...mirrorOf('n', { from: '127.0.0.1:1' }), '--once', '--max-outage=500ms'];
    const { code, out } = await transfer(args);
    expect(code).toBe(1);
    expect(out.toString()).toContain('no endpoint is available');
  });
});

describe('the destination', () => {
  test('may be a tenant of the proxy, and the source another one', async () => {
    const tenants = [
      { name: 'p', namespace: 'p/' },
      { name: 'q', namespace: 'q/' },
    ];
    const startProxy = () => startTestProxy({ endpoints: [source.address], tenants });
    const argsOf = (proxy: TestProxy) =>
      mirrorOf('', { from: proxy.address('p'), to: proxy.address('q') }, '');
    {
      await using proxy = await startProxy();
      using program = new Program(argsOf(proxy));
      await put(from, 'p/1', 'v');
      await until('the copy', async () => (await get(from, 'q/1')) !== undefined);
      await put(from, 'p/2', 'v');
      await remove(from, 'p/1');
      await until('the changes', async () => (await get(from, 'q/2')) !== undefined);
      program.kill('SIGTERM');
      await program.ended;
    }
    const names = async () => (await stored(from, 'q/')).map(({ key }) => key.toString());
    // The position is a key of the tenant then, and is neither compared nor deleted.
    expect(await names()).toEqual(['2', 'etcd-bulkhead/mirror/']);
    await put(from, 'p/3', 'v');
    await compact();
    // Another proxy has no history that hides the compaction.
    await using proxy = await startProxy();
    using again = new Program(argsOf(proxy));
    await until('the end of the comparison', () => lines(again.out, 'copied').length > 0);
    expect(await names()).toEqual(['2', '3', 'etcd-bulkhead/mirror/']);
  });

  test('may require TLS, a certificate and a user', async () => {
    using authority = new CertificateAuthority();
    const server = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    const user = authority.issue({ name: '/CN=operator' });
    const secure = await startSecureEtcd(authority, server);
    await using running = secure.etcd;
    using there = grpcClient(running.address);
    await put(from, 'r/1', 'v');
    const flags = [
      `--dest-cacert=${authority.certificateFile}`,
      ...[`--dest-cert=${user.certificateFile}`, `--dest-key=${user.keyFile}`, '--once'],
    ];
    expect(await transfer([...mirrorOf('r', { to: secure.secureUrl }), ...flags])).toMatchObject({
      code: 0,
    });
    expect(await texts(there, 'r/')).toEqual(['1=v']);

    await using authenticated = await AuthenticatedEtcd.start();
    const login = [
      '--dest-user=bulkhead',
      `--dest-password-file=${authenticated.settings['password-file']}`,
    ];
    await put(from, 'game/1', 'v');
    const args = [...mirrorOf('game', { to: authenticated.etcd.address }), ...login, '--once'];
    // Its user may write nothing else.
    const denied = await transfer(args);
    expect(denied.out.toString()).toContain('etcdserver: permission denied');
    expect(await transfer([...args, '--position-key=game/.mirror'])).toMatchObject({ code: 0 });
    // And again as the source: the position of the other mirror is a key like any other.
    const back = [
      ...[
        'mirror',
        `--endpoints=${authenticated.etcd.address}`,
        '--namespace=game/',
        '--user=bulkhead',
      ],
      ...[`--password-file=${authenticated.settings['password-file']}`, '--once'],
      ...[`--dest-endpoints=${destination.address}`, '--dest-namespace=s/'],
    ];
    expect(await transfer(back)).toMatchObject({ code: 0 });
    expect((await texts(to, 's/')).map((text) => text.slice(0, 7))).toEqual(['.mirror', '1=v']);
  });
});
