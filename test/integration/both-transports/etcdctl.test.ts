/**
 * etcdctl as the distribution ships it. Every command runs against a plain etcd and against the proxy in front of another
 * one, in step, so that revisions agree as well: exit codes and what is printed have to be the same.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { EtcdctlRun, etcdctl, type Printed } from '../../support/etcdctl.ts';
import { startTestProxy, type TestProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

let plain: Etcd;
let behind: Etcd;
let proxy: TestProxy;

beforeAll(async () => {
  [plain, behind] = await Promise.all([startEtcd(), startEtcd()]);
  proxy = await startTestProxy({
    endpoints: [behind.address],
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/' },
    ],
  });
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await Promise.all([plain?.[Symbol.asyncDispose](), behind?.[Symbol.asyncDispose]()]);
});

/** The two addresses that have to behave alike. */
const addresses = () => [plain.address, proxy.address('red')] as const;

/** One spelling for what differs between any two clusters: the IDs of cluster and member, and lease IDs. */
function normal(text: string, leases: readonly string[] = []): string {
  let result = text.replace(
    /("(?:ClusterID|MemberID|cluster_id|member_id)" ?: ?)\d+/g,
    (_, name: string) => `${name}0`,
  );
  leases.forEach((id, i) => {
    result = result.replaceAll(id, `<lease ${i}>`);
  });
  return result;
}

/** A command against both. `args` sees which of the two it is for, so that it can name that one's leases. */
async function both(
  args: readonly string[] | ((side: number) => readonly string[]),
  { input = '', leases = [[], []] as readonly (readonly string[])[] } = {},
): Promise<Printed> {
  const printed = await Promise.all(
    addresses().map(async (address, side) => {
      const run = await etcdctl(address, typeof args === 'function' ? args(side) : args, input);
      const known = leases[side];
      return { ...run, out: normal(run.out, known), err: normal(run.err, known) };
    }),
  );
  const [direct, proxied] = printed;
  if (direct === undefined || proxied === undefined) throw new Error('unreachable');
  expect(proxied).toEqual(direct);
  return proxied;
}

async function succeeds(...args: string[]): Promise<string> {
  const { code, out, err } = await both(args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

afterEach(async () => {
  for (const address of addresses()) await etcdctl(address, ['del', '', '--prefix']);
});

describe('keys', () => {
  test('put, get in all its forms, and del print what they print without a proxy', async () => {
    for (const [key, value] of ['a1', 'a2', 'b1', 'a2'].map((each, i) => [each, `v${i}`])) {
      expect(await succeeds('put', `${key}`, `${value}`)).toBe('OK\n');
    }
    expect(await succeeds('get', 'a1')).toBe('a1\nv0\n');
    expect(await succeeds('get', 'nothing')).toBe('');
    expect(await succeeds('get', '--prefix', 'a')).toBe('a1\nv0\na2\nv3\n');
    expect(await succeeds('get', '--from-key', 'a2')).toBe('a2\nv3\nb1\nv2\n');
    expect(await succeeds('get', 'a1', 'b1', '--keys-only')).toBe('a1\n\na2\n\n');
    expect(await succeeds('get', '', '--prefix', '--limit=1', '-w', 'json')).toContain('"count":3');
    expect(await succeeds('get', 'a', '--prefix', '--order=DESCEND', '--sort-by=MODIFY')).toBe(
      'a2\nv3\na1\nv0\n',
    );
    expect(await succeeds('get', '', '--prefix', '-w', 'fields')).toContain('"Version" : 2');
    expect(await succeeds('put', 'a2', 'v4', '--prev-kv')).toBe('OK\na2\nv3\n');
    expect(await succeeds('del', 'a2', '--prev-kv')).toBe('1\na2\nv4\n');
    expect(await succeeds('del', '--from-key', 'a')).toBe('2\n');
    expect(await succeeds('del', 'a1')).toBe('0\n');
  });

  test('an old revision is read as it was, and a future one is refused', async () => {
    await succeeds('put', 'k', 'old');
    const json = await succeeds('get', 'k', '-w', 'json');
    const revision = Number(/"revision":(\d+)/.exec(json)?.[1]);
    await succeeds('put', 'k', 'new');
    expect(await succeeds('get', 'k', `--rev=${revision}`)).toBe('k\nold\n');
    const future = await both(['get', 'k', `--rev=${revision + 1000}`]);
    expect(future).toMatchObject({
      code: 1,
      err: 'Error: etcdserver: mvcc: required revision is a future revision\n',
    });
  });

  test('an empty key is rejected with etcd’s text', async () => {
    expect(await both(['put', '', 'v'])).toMatchObject({
      code: 1,
      err: 'Error: etcdserver: key is not provided\n',
    });
  });

  test('transactions are read from standard input', async () => {
    await succeeds('put', 'k', '1');
    const input = 'value("k") = "1"\n\nput k 2\nget k\n\ndel k\n\n';
    const first = await both(['txn', '--interactive'], { input });
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toContain('SUCCESS\n\nOK\n\nk\n2\n');
    const second = await both(['txn', '--interactive'], { input });
    expect(second.out).toContain('FAILURE\n\n1\n');
  });

  test('what one tenant writes, another one does not read', async () => {
    await succeeds('put', 'k', 'red');
    expect((await etcdctl(proxy.address('blue'), ['get', '', '--prefix'])).out).toBe('');
    expect((await etcdctl(behind.address, ['get', '', '--prefix'])).out).toBe('red/k\nred\n');
  });
});

describe('watch', () => {
  /** Starts the same watch on both sides, lets `act` happen, and compares what they print. */
  async function watching(
    args: readonly string[],
    { lines, act }: { lines: number; act?: () => Promise<unknown> },
  ): Promise<string> {
    await using stack = new AsyncDisposableStack();
    const runs = addresses().map((address) => stack.use(new EtcdctlRun(address, args)));
    await act?.();
    const [direct, proxied] = await Promise.all(runs.map((run) => run.lines(lines)));
    expect(proxied).toBe(direct);
    return proxied ?? '';
  }

  async function revisionNow(): Promise<number> {
    return Number(/"revision":(\d+)/.exec(await succeeds('get', 'x', '-w', 'json'))?.[1]);
  }

  test('from a revision on, every event of a prefix is printed, with what was there before', async () => {
    const from = (await revisionNow()) + 1;
    await succeeds('put', 'w1', 'a');
    await succeeds('put', 'other', 'x');
    await succeeds('put', 'w1', 'b');
    await succeeds('del', 'w1');
    expect(
      await watching(['watch', 'w', '--prefix', '--prev-kv', `--rev=${from}`], { lines: 12 }),
    ).toBe('PUT\nw1\na\nPUT\nw1\na\nw1\nb\nDELETE\nw1\nb\nw1\n\n');
  });

  test('an event arrives when it happens, and a command is run for it', async () => {
    const from = (await revisionNow()) + 1;
    const printed = await watching(['watch', 'k', `--rev=${from}`, '--', 'echo', 'seen'], {
      lines: 4,
      act: () => succeeds('put', 'k', '1'),
    });
    expect(printed).toBe('PUT\nk\n1\nseen\n');
  });

  test('progress is reported on request', async () => {
    const revision = await revisionNow();
    await succeeds('put', 'k', '1');
    for (const address of addresses()) {
      await using run = new EtcdctlRun(address, ['watch', '--interactive']);
      run.type(`watch k --rev=${revision + 1}\nprogress\n`);
      // This etcd may report its progress before or after the event.
      const printed = await run.lines(4);
      expect(printed.split('\n').sort()).toEqual(
        ['PUT', 'k', '1', `progress notify: ${revision + 1}`, ''].sort(),
      );
    }
  });
});

describe('leases', () => {
  async function grant(seconds: number): Promise<readonly [string, string]> {
    const [direct = '', proxied = ''] = await Promise.all(
      addresses().map(async (address) => {
        const { out } = await etcdctl(address, ['lease', 'grant', String(seconds)]);
        return /^lease ([0-9a-f]+) granted with TTL\(\d+s\)\n$/.exec(out)?.[1] ?? `?${out}`;
      }),
    );
    return [direct, proxied];
  }

  test('grant, list, timetolive with keys, keep-alive and revoke print the same', async () => {
    const ids = await grant(500);
    expect(ids[1]).toMatch(/^0{8}[0-7][0-9a-f]{7}$|^[0-7]?[0-9a-f]{1,7}$/);
    const leases = ids.map((id) => [id]);
    const id = (side: number) => ids[side] ?? '';
    await both((side) => ['put', 'leased', 'v', `--lease=${id(side)}`], { leases });
    expect((await both(['lease', 'list'], { leases })).out).toBe('found 1 leases\n<lease 0>\n');
    const remaining = await Promise.all(
      addresses().map((address, side) =>
        etcdctl(address, ['lease', 'timetolive', '--keys', id(side)]),
      ),
    );
    remaining.forEach(({ code, out }, side) => {
      expect(code).toBe(0);
      expect(normal(out, leases[side])).toMatch(
        /^lease <lease 0> granted with TTL\(500s\), remaining\(\d+s\), attached keys\(\[leased\]\)\n$/,
      );
    });
    expect(
      (await both((side) => ['lease', 'keep-alive', '--once', id(side)], { leases })).out,
    ).toBe('lease <lease 0> keepalived with TTL(500)\n');
    expect((await both((side) => ['lease', 'revoke', id(side)], { leases })).out).toBe(
      'lease <lease 0> revoked\n',
    );
    expect(await succeeds('get', 'leased')).toBe('');
    expect(await both((side) => ['lease', 'revoke', id(side)], { leases })).toMatchObject({
      code: 1,
      err: 'Error: failed to revoke lease (etcdserver: requested lease not found)\n',
    });
    expect((await both((side) => ['lease', 'timetolive', id(side)], { leases })).out).toBe(
      'lease <lease 0> already expired\n',
    );
  });

  test('a tenant lists its own leases and no others', async () => {
    const { out } = await etcdctl(proxy.address('blue'), ['lease', 'grant', '500']);
    const granted = /^lease ([0-9a-f]+)/.exec(out)?.[1] ?? '';
    expect(await succeeds('lease', 'list')).toBe('found 0 leases\n');
    expect((await etcdctl(proxy.address('blue'), ['lease', 'list'])).out).toBe(
      `found 1 leases\n${granted}\n`,
    );
    const foreign = await etcdctl(proxy.address('red'), ['lease', 'revoke', granted]);
    expect(foreign.err).toContain('requested lease not found');
    await etcdctl(proxy.address('blue'), ['lease', 'revoke', granted]);
  });
});

describe('the cluster', () => {
  test('the only member that is listed is the proxy', async () => {
    const address = proxy.address('red');
    const { code, out } = await etcdctl(address, ['member', 'list']);
    expect(code).toBe(0);
    expect(out).toMatch(
      new RegExp(`^[0-9a-f]+, started, etcd-bulkhead, , http://${address}, false\n$`),
    );
    expect((await etcdctl(address, ['member', 'list'])).out).toBe(out);
  });

  test('the status is the real one', async () => {
    const [direct, proxied] = await Promise.all(
      addresses().map((address) => etcdctl(address, ['endpoint', 'status', '-w', 'json'])),
    );
    const version = /"version":"([\d.]+)"/;
    expect(proxied).toMatchObject({ code: 0, err: '' });
    expect(version.exec(proxied?.out ?? '')?.[1]).toBe(version.exec(direct?.out ?? '')?.[1]);
  });

  test('endpoint health finds the proxy healthy', async () => {
    const { code, out, err } = await etcdctl(proxy.address('red'), ['endpoint', 'health']);
    expect({ code, said: out + err }).toMatchObject({
      code: 0,
      said: expect.stringContaining('is healthy: successfully committed proposal'),
    });
  });

  test('compaction is the tenant’s own: refused below it for him, and nothing is lost for others', async () => {
    await succeeds('put', 'k', '1');
    await succeeds('put', 'k', '2');
    const json = await succeeds('put', 'k', '3', '-w', 'json');
    const revision = Number(/"revision":(\d+)/.exec(json)?.[1]);
    const compaction = (at: number) => both(['compaction', String(at)]);
    expect(await compaction(revision)).toMatchObject({
      code: 0,
      out: `compacted revision ${revision}\n`,
    });
    const gone = 'Error: etcdserver: mvcc: required revision has been compacted\n';
    expect(await both(['get', 'k', `--rev=${revision - 1}`])).toMatchObject({ code: 1, err: gone });
    expect(await compaction(revision - 1)).toMatchObject({ code: 1, err: gone });
    expect(await compaction(revision + 1000)).toMatchObject({ code: 1 });
    const watch = await both(['watch', 'k', `--rev=${revision - 1}`]);
    expect(watch.code).not.toBe(0);
    expect(watch.err).toContain('required revision has been compacted');
    const underneath = await etcdctl(behind.address, ['get', 'red/k', `--rev=${revision - 1}`]);
    expect(underneath.out).toBe('red/k\n2\n');
  });

  test('alarms may be listed', async () => {
    expect(await succeeds('alarm', 'list')).toBe('');
  });

  test.each([
    'defrag',
    'endpoint hashkv',
    'member add x --peer-urls=http://127.0.0.1:1',
    'user list',
    'role add r',
    'auth enable',
  ])('%s is refused, because it is about the whole cluster', async (command) => {
    const { code, err } = await etcdctl(proxy.address('red'), command.split(' '));
    expect(code).not.toBe(0);
    expect(err).toContain('etcdserver: permission denied');
  });
});

// Last, since not all of them run on both sides: revisions agree no more.
describe('recipes', () => {
  test('a lock runs its command and is given back', async () => {
    const locked = await both(['lock', 'mutex', 'echo', 'mine']);
    expect(locked).toEqual({ code: 0, out: 'mine\n', err: '' });
    expect(await succeeds('get', 'mutex', '--prefix')).toBe('');
  });

  test('a second lock waits for the first', async () => {
    await using first = new EtcdctlRun(proxy.address('red'), ['lock', 'mutex']);
    expect(await first.lines(1)).toMatch(/^mutex\/[0-9a-f]+\n/);
    await using second = new EtcdctlRun(proxy.address('red'), ['lock', 'mutex', 'echo', 'mine']);
    await until('second in the queue', async () => {
      const queue = await etcdctl(proxy.address('red'), [
        'get',
        'mutex',
        '--prefix',
        '--keys-only',
      ]);
      return queue.out.split('\n\n').length > 2;
    });
    expect(second.out).toBe('');
    const stranger = await etcdctl(proxy.address('blue'), ['lock', 'mutex', 'echo', 'elsewhere']);
    expect(stranger).toEqual({ code: 0, out: 'elsewhere\n', err: '' });
    first.interrupt();
    expect(await first.ended()).toBe(0);
    expect(await second.ended()).toBe(0);
    expect(second.out).toBe('mine\n');
  });

  test('an election is won, listened to, and followed by the next', async () => {
    await using first = new EtcdctlRun(proxy.address('red'), ['elect', 'boss', 'first']);
    expect(await first.lines(2)).toMatch(/^boss\/[0-9a-f]+\nfirst\n$/);
    await using listener = new EtcdctlRun(proxy.address('red'), ['elect', '--listen', 'boss']);
    expect(await listener.lines(2)).toMatch(/^boss\/[0-9a-f]+\nfirst\n$/);
    await using second = new EtcdctlRun(proxy.address('red'), ['elect', 'boss', 'second']);
    first.interrupt();
    expect(await second.lines(2)).toMatch(/^boss\/[0-9a-f]+\nsecond\n$/);
    expect((await listener.lines(4)).split('\n')[3]).toBe('second');
  });
});
