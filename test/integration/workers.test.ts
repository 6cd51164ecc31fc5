/** `--workers 2`: two processes behind the same addresses, and one process that supervises them. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { hashPassword } from '../../src/identity/password.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { type GrpcClient, grpcClient, refusal } from '../support/client.ts';
import { logIn } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { etcdctl } from '../support/etcdctl.ts';
import { Exposition } from '../support/exposition.ts';
import { Program, runProgram } from '../support/program.ts';
import { Sidecar } from '../support/sidecar.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const directory = new TemporaryDirectory('workers');
const key = Buffer.from('k');
const quick = ['--drain-window=0s', '--max-drain=2s'];
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

interface WorkerState {
  readonly worker: number;
  readonly pid: number;
  readonly state: string;
  readonly restarts: number;
  readonly hash: string;
}

function start(...args: string[]): Promise<Sidecar> {
  return Sidecar.start(`--endpoints=${etcd.address}`, '--workers=2', ...quick, ...args);
}

async function workersOf(sidecar: Sidecar): Promise<readonly WorkerState[]> {
  return JSON.parse(await sidecar.page('/configz')).workers;
}

/** The values of a metric, by worker if it has that label. */
async function metric(sidecar: Sidecar, name: string): Promise<Record<string, number>> {
  const metrics = new Exposition(await sidecar.page('/metrics'));
  return Object.fromEntries(metrics.byLabel(name, 'worker'));
}

/** How many calls /tenantz has counted for the only tenant. */
async function callsOf(sidecar: Sidecar): Promise<number> {
  return JSON.parse(await sidecar.page('/tenantz')).tenants[0].calls;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Opens one watch per client, each on a connection of its own, and counts those that end. */
function openWatches(address: string, count: number) {
  const clients = Array.from({ length: count }, () => grpcClient(address));
  const ended: number[] = [];
  const ready = clients.map(async (client, index) => {
    const watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    // Without a limit, because a watch that stays open is not a failure.
    void watch.ended(2 ** 31 - 1).then(() => ended.push(index));
  });
  return {
    ended,
    ready: Promise.all(ready),
    [Symbol.dispose]: () => {
      for (const client of clients) client[Symbol.dispose]();
    },
  };
}

/** The open watches on the one watched range, by worker. Each worker has a feed of its own. */
async function watchersByWorker(sidecar: Sidecar): Promise<ReadonlyMap<number, number>> {
  const { feeds } = JSON.parse(await sidecar.page('/watchz')) as {
    readonly feeds: readonly { readonly workers: readonly number[]; readonly watchers: number }[];
  };
  return new Map(feeds.map(({ workers, watchers }) => [workers[0] ?? 0, watchers]));
}

async function expectBothServe(sidecar: Sidecar, watchers: number): Promise<void> {
  const byWorker = await watchersByWorker(sidecar);
  expect([...byWorker.keys()].sort()).toEqual([1, 2]);
  expect([...byWorker.values()].reduce((sum, count) => sum + count, 0)).toBe(watchers);
}

async function putEventually(client: GrpcClient): Promise<void> {
  await until('a put', async () => {
    const put = client.call('etcdserverpb.KV/Put', { key, value: key }, { timeoutMs: 2_000 });
    return await put.then(
      () => true,
      () => false,
    );
  });
}

describe('two workers', () => {
  test('serve etcdctl on one port, share its connections, and report as one', async () => {
    await using sidecar = await start('--namespace=two/');
    const { address } = sidecar;
    expect(await etcdctl(address, ['put', 'a', '1'])).toMatchObject({ code: 0, out: 'OK\n' });
    expect((await etcdctl(address, ['get', 'a'])).out).toBe('a\n1\n');
    expect((await etcdctl(etcd.address, ['get', 'two/a'])).out).toBe('two/a\n1\n');
    for (const probe of ['/livez', '/readyz', '/startupz'])
      expect(await sidecar.probe(probe)).toBe(200);
    expect(await sidecar.page('/readyz?verbose')).toContain('[+] worker 2 serves');

    using watches = openWatches(address, 10);
    await watches.ready;
    expect(await metric(sidecar, 'etcd_bulkhead_watch_streams')).toEqual({ '': 10 });
    await expectBothServe(sidecar, 10);
    const { endpoints } = JSON.parse(await sidecar.page('/upstreamz'));
    expect(endpoints.flatMap((each: { workers: number[] }) => each.workers).sort()).toEqual([1, 2]);
    const puts = /^grpc_server_handled_total\{.*"Put".*"OK"\} (\d+)$/m;
    expect(puts.exec(await sidecar.page('/metrics'))?.[1]).toBe('1');
    const { tenants } = JSON.parse(await sidecar.page('/tenantz'));
    // A put, a get and ten watches, in whichever worker.
    expect(tenants).toMatchObject([{ namespace: 'two/', calls: 12, watches: 10, feeds: 2 }]);
    const memory = await metric(sidecar, 'process_resident_memory_bytes');
    expect(Object.keys(memory)).toEqual(['1', '2', 'primary'].sort());
    expect(await metric(sidecar, 'etcd_bulkhead_workers_serving')).toEqual({ '': 2 });
  });

  test('survive that one is killed under load: it is replaced on the same port', async () => {
    await using sidecar = await start();
    using watches = openWatches(sidecar.address, 10);
    await watches.ready;
    const [first, second] = await workersOf(sidecar);
    const ofFirst = (await watchersByWorker(sidecar)).get(1);
    const before = await sidecar.page('/metrics');
    const callsBefore = await callsOf(sidecar);
    const handled = (page: string) =>
      Number(/^grpc_server_started_total\{.*"Watch"\} (\d+)$/m.exec(page)?.[1]);
    expect(handled(before)).toBe(10);
    let succeeded = 0;
    let isLoading = true;
    const load = Array.from({ length: 8 }, async () => {
      while (isLoading) {
        using client = grpcClient(sidecar.address);
        await client.call('etcdserverpb.KV/Put', { key, value: key }, { timeoutMs: 2_000 }).then(
          () => (succeeded += 1),
          () => {},
        );
      }
    });
    await until('load', () => succeeded > 20);
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await until('a replacement', async () => {
      const [replaced] = await workersOf(sidecar);
      return replaced?.state === 'serving' && replaced.pid !== first?.pid;
    });
    const servedBefore = succeeded;
    await until('more load', () => succeeded > servedBefore + 20);
    isLoading = false;
    await Promise.all(load);
    // The connections of the other worker stay open.
    expect(watches.ended).toHaveLength(ofFirst ?? 0);
    const [replaced, other] = await workersOf(sidecar);
    expect(replaced).toMatchObject({ restarts: 1 });
    expect(other).toMatchObject({ pid: second?.pid, restarts: 0 });
    expect(await sidecar.probe('/readyz')).toBe(200);
    expect(sidecar.printed).toMatch(/"worker":1,.*"signal":"SIGKILL","event":"worker ended"/);
    expect(await metric(sidecar, 'etcd_bulkhead_worker_restarts_total')).toEqual({ 1: 1, 2: 0 });
    // Counts of the killed worker are part of the sums.
    expect(await callsOf(sidecar)).toBeGreaterThanOrEqual(callsBefore + 20);
    expect(handled(await sidecar.page('/metrics'))).toBe(10);
  });

  test('perform an action of the admin address together, as does one that starts later', async () => {
    await using sidecar = await start('--admin-actions');
    const put = async () => {
      // A connection of its own, so that each worker gets some.
      using client = grpcClient(sidecar.address);
      return await client.call('etcdserverpb.KV/Put', { key }).then(
        () => 'put',
        ({ code }: { code: number }) => code,
      );
    };
    const puts = async () => new Set(await Promise.all(Array.from({ length: 8 }, put)));
    const { tenant } = JSON.parse(await sidecar.post('/breakers/default/write?state=open'));
    expect(tenant).toBe('default');
    expect(await puts()).toEqual(new Set([Code.UNAVAILABLE]));
    expect(JSON.parse(await sidecar.page('/breakers')).breakers).toEqual([
      { tenant, breaker: 'write', state: 'open', isForced: true, workers: [1, 2] },
    ]);
    const [first] = await workersOf(sidecar);
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await until('another worker', async () =>
      (await workersOf(sidecar)).every(
        ({ state, pid }) => state === 'serving' && pid !== first?.pid,
      ),
    );
    await until('its forced state', async () => {
      const { breakers } = JSON.parse(await sidecar.page('/breakers'));
      return breakers[0]?.workers.length === 2;
    });
    await sidecar.post('/breakers/default/write?state=auto');
    expect(await puts()).toEqual(new Set(['put']));
  });

  test('keep a picked port when all are killed at once', async () => {
    await using sidecar = await start();
    using client = grpcClient(sidecar.address);
    await putEventually(client);
    for (const { pid } of await workersOf(sidecar)) process.kill(pid, 'SIGKILL');
    await until('readiness', async () => (await sidecar.probe('/readyz')) === 503);
    await until('readiness', async () => (await sidecar.probe('/readyz')) === 200);
    await putEventually(client);
  });

  test('drain together on SIGTERM and exit with 0', async () => {
    await using sidecar = await start('--min-drain=500ms', '--max-drain=5s');
    using watches = openWatches(sidecar.address, 4);
    await watches.ready;
    const workers = await workersOf(sidecar);
    sidecar.signal('SIGTERM');
    await until('not ready', async () => (await sidecar.probe('/readyz')) === 503);
    // New calls are accepted for the minimum time.
    expect(await etcdctl(sidecar.address, ['put', 'late', '1'])).toMatchObject({ code: 0 });
    expect(watches.ended).toEqual([]);
    expect(JSON.parse(await sidecar.page('/drainz'))).toEqual({
      phase: 'draining',
      open: { unary: 0, waiting: 0, watch: 4, keepalive: 0, stream: 0 },
    });
    expect(await sidecar.ended(10_000)).toBe(0);
    expect(watches.ended).toHaveLength(4);
    expect(workers.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect(sidecar.printed).toMatch(/"callsCutOff":0,"event":"stopped"/);
  });

  test('end with the primary process after a second signal, and when it is killed', async () => {
    for (const end of ['SIGTERM', 'SIGKILL'] as const) {
      await using sidecar = await start('--min-drain=60s', '--max-drain=100s');
      const workers = await workersOf(sidecar);
      sidecar.signal('SIGTERM');
      await until('drain', () => sidecar.printed.includes('"event":"draining"'));
      const again = setInterval(() => sidecar.signal(end), 100);
      expect(await sidecar.ended(10_000)).toBe(end === 'SIGTERM' ? 0 : null);
      clearInterval(again);
      await until('end of the workers', () => workers.every(({ pid }) => !isAlive(pid)));
    }
  });

  test('ignore signals that the primary process handles for them', async () => {
    await using sidecar = await start();
    const workers = await workersOf(sidecar);
    for (const { pid } of workers) process.kill(pid, 'SIGTERM');
    using client = grpcClient(sidecar.address);
    await putEventually(client);
    expect(await workersOf(sidecar)).toEqual(workers);
  });

  test('listen on a Unix socket, also when a killed process has left its file', async () => {
    const path = join(directory.path, 'etcd.sock');
    const listen = ['--listen-addr', `unix://${path}`];
    {
      await using sidecar = await start(...listen);
      using watches = openWatches(`unix:${path}`, 10);
      await watches.ready;
      await expectBothServe(sidecar, 10);
      expect(statSync(path).mode & 0o777).toBe(0o660);
    }
    await using sidecar = await start(...listen);
    using client = grpcClient(`unix:${path}`);
    await putEventually(client);
    sidecar.signal('SIGTERM');
    expect(await sidecar.ended(10_000)).toBe(0);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('fail together if the port is in use', async () => {
    await using sidecar = await start();
    const listen = [`--listen-addr=${sidecar.address}`, '--admin-addr='];
    const { code, out } = await runProgram(['run', '--workers=2', ...listen]);
    expect(code).toBe(1);
    expect(out).toMatch(/"level":"fatal".*EADDRINUSE.*"event":"cannot start"/);
  });

  test('serve TLS', async () => {
    using authority = new CertificateAuthority();
    const server = authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.1' });
    const tls = [`--cert-file=${server.certificateFile}`, `--key-file=${server.keyFile}`];
    await using sidecar = await start(...tls);
    const ca = `--cacert=${authority.certificateFile}`;
    for (let i = 0; i < 4; i++) {
      const put = await etcdctl(`https://${sidecar.address}`, [ca, 'put', 'tls', `${i}`]);
      expect(put).toMatchObject({ code: 0 });
    }
  });

  test('report a worker that does not respond, and reload nothing meanwhile', async () => {
    await using sidecar = await start();
    const [, second] = await workersOf(sidecar);
    process.kill(second?.pid ?? 0, 'SIGSTOP');
    sidecar.signal('SIGHUP');
    // Metrics do not wait for it.
    expect(await metric(sidecar, 'etcd_bulkhead_workers_serving')).toEqual({ '': 2 });
    await until('hung worker', async () => (await sidecar.probe('/livez')) === 503);
    expect(await sidecar.page('/livez')).toBe('hung: worker 2\n');
    expect(await sidecar.probe('/readyz')).toBe(503);
    await until('failed reload', () => sidecar.printed.includes('reload failed'));
    expect(JSON.parse(await sidecar.page('/configz')).problems).toEqual([
      `worker with pid ${second?.pid} does not respond`,
    ]);
    process.kill(second?.pid ?? 0, 'SIGCONT');
    await until('recovery', async () => (await sidecar.probe('/livez')) === 200);
    sidecar.signal('SIGHUP');
    await until('reload', () => sidecar.printed.split('"event":"reloaded"').length > 3);
  });
});

describe('a configuration of two workers', () => {
  const file = join(directory.path, 'config.yaml');
  const usersFile = join(directory.path, 'users');

  async function write(more: string, password = 'r3d', other = ''): Promise<void> {
    writeFileSync(usersFile, `red:${await hashPassword(Buffer.from(password))}\n`);
    writeFileSync(
      file,
      `endpoints: ['${etcd.address}']
users-file: ${usersFile}
tenants: [{ name: red, namespace: red/${more} }]
listeners: [{ address: '127.0.0.1:0', identify: user }${other}]
`,
    );
  }

  async function startWithFile() {
    await write('');
    const args = ['run', '--workers=2', `--config=${file}`, '--admin-addr=127.0.0.1:0', ...quick];
    const program = new Program(args);
    const {
      addresses: [address = ''],
      admin,
    } = await program.serving();
    const configz = async () =>
      (await (await fetch(`http://${admin}/configz`)).json()) as {
        readonly hash: string;
        readonly problems: readonly string[];
        readonly workers: readonly WorkerState[];
      };
    /** The codes of puts on enough connections to reach both workers. */
    const codes = async (token: string) => {
      const found = new Set<number>();
      for (let i = 0; i < 6; i++) {
        using client = grpcClient(address);
        const put = client.call(
          'etcdserverpb.KV/Put',
          { key, value: key },
          { metadata: { token } },
        );
        found.add(
          await put.then(
            () => Code.OK,
            ({ code }: { code: number }) => code,
          ),
        );
      }
      return [...found];
    };
    /** Reloads, and waits for the outcome. */
    const reload = async (event: 'reloaded' | 'reload failed') => {
      const count = () => program.out.split(`"event":"${event}`).length;
      const before = count();
      program.kill('SIGHUP');
      await until(event, () => count() > before);
    };
    return { program, address, configz, codes, reload };
  }

  test('is applied by both or by none, and tokens of one are valid at the other', async () => {
    const { program, address, configz, codes, reload } = await startWithFile();
    using _ = program;
    using client = grpcClient(address);
    const token = await logIn(client, 'red', 'r3d');
    expect(await codes(token)).toEqual([Code.OK]);
    const before = await configz();

    // An address that this machine does not have cannot be bound by any worker.
    await write(', access: read-only', 'r3d', ", { address: '192.0.2.1:1', tenant: red }");
    await reload('reload failed');
    expect(await codes(token)).toEqual([Code.OK]);
    const failed = await configz();
    expect(failed).toMatchObject({
      hash: before.hash,
      problems: [expect.stringContaining('EADDRNOTAVAIL')],
    });

    await write(', access: read-only');
    await reload('reloaded');
    const relogged = await logIn(client, 'red', 'r3d');
    expect(await codes(relogged)).toEqual([Code.PERMISSION_DENIED]);
    await until('the new configuration in both', async () => {
      const { hash, workers } = await configz();
      return hash !== before.hash && workers.every((each) => each.hash === hash);
    });

    await write('', 'n3w');
    await reload('reloaded');
    expect(await codes(relogged)).toEqual([Code.UNAUTHENTICATED]);
    expect(await refusal(logIn(client, 'red', 'r3d'))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    expect(await codes(await logIn(client, 'red', 'n3w'))).toEqual([Code.OK]);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  });

  test('with a socket path that cannot be checked is rejected, and the workers continue', async () => {
    const { program, address, configz, reload } = await startWithFile();
    using _ = program;
    const { workers } = await configz();
    // A part of the path is a file.
    await write('', 'r3d', `, { address: 'unix://${usersFile}/etcd.sock', tenant: red }`);
    await reload('reload failed');
    expect(await configz()).toMatchObject({
      problems: [expect.stringContaining('ENOTDIR')],
      workers: workers.map(({ pid }) => ({ pid, state: 'serving' })),
    });
    await write('');
    await reload('reloaded');
    using client = grpcClient(address);
    await logIn(client, 'red', 'r3d');
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  });
});
