/** The commands `wait` and `shutdown` against a real proxy, each as a process of its own. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startEtcd } from '../../support/etcd.ts';
import { freePorts } from '../../support/ports.ts';
import { Program, runProgram as run } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const elsewhere = '--endpoints=127.0.0.1:1';
const quick = [elsewhere, '--listen-addr=127.0.0.1:0', '--drain-window=0s'];

async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

describe('wait', () => {
  test('blocks until a proxy that starts later is ready', async () => {
    const admin = `127.0.0.1:${await freePort()}`;
    using waiting = new Program(['wait', '--timeout=60s'], { ETCD_BULKHEAD_ADMIN_ADDR: admin });
    using proxy = new Program(['run', ...quick, `--admin-addr=${admin}`]);
    expect(await waiting.ended).toEqual([0, null]);
    expect(waiting.out + waiting.err).toBe('');
    // Not before: it has already printed that it serves, or does so now.
    await proxy.serving();
  });

  test('fails after its timeout with the last reason', async () => {
    const admin = `--admin-addr=127.0.0.1:${await freePort()}`;
    const { code, err } = await run(['wait', admin, '--timeout=300ms']);
    expect(code).toBe(1);
    expect(err).toMatch(/^etcd-bulkhead wait: not ready: connect ECONNREFUSED/);
  });

  test('waits for etcd only with --wait-for upstream', async () => {
    await using etcd = await startEtcd();
    using proxy = new Program([
      ...['run', `--endpoints=${etcd.address}`, '--listen-addr=127.0.0.1:0'],
      '--admin-addr=127.0.0.1:0',
    ]);
    const { admin } = await proxy.serving();
    const wait = (...args: string[]) => run(['wait', `--admin-addr=${admin}`, ...args]);
    expect((await wait('--wait-for=upstream', '--timeout=30s')).code).toBe(0);

    using alone = new Program(['run', ...quick, '--admin-addr=127.0.0.1:0']);
    const { admin: other } = await alone.serving();
    const once = (state: string) =>
      run(['wait', `--admin-addr=${other}`, `--wait-for=${state}`, '--timeout=0s']);
    expect((await once('ready')).code).toBe(0);
    expect((await once('started')).code).toBe(0);
    expect((await once('live')).code).toBe(0);
    const { code, err } = await once('upstream');
    expect(code).toBe(1);
    expect(err).toBe('etcd-bulkhead wait: not connected to etcd: no endpoint of etcd is ready\n');
  });

  test('is a probe for an admin address that is a Unix socket', async () => {
    using directory = new TemporaryDirectory('wait');
    const admin = `--admin-addr=unix://${join(directory.path, 'admin.sock')}`;
    const probe = () => run(['wait', admin, '--timeout=0s']);
    expect((await probe()).err).toContain('ENOENT');
    using proxy = new Program(['run', ...quick, admin, '--min-drain=30s', '--max-drain=60s']);
    await proxy.serving();
    expect((await probe()).code).toBe(0);
    proxy.kill('SIGTERM');
    await proxy.printed('out', /"event":"draining"/);
    expect(await probe()).toEqual({
      ...{ code: 1, out: '' },
      err: 'etcd-bulkhead wait: not ready: 503 draining\n',
    });
  });

  test('connects to the local machine if the proxy listens on all interfaces', async () => {
    const port = await freePort();
    using proxy = new Program(['run', ...quick, `--admin-addr=0.0.0.0:${port}`]);
    await proxy.serving();
    expect((await run(['wait', `--admin-addr=0.0.0.0:${port}`, '--timeout=0s'])).code).toBe(0);
    expect((await run(['wait', `--admin-addr=:${port}`, '--timeout=0s'])).code).toBe(0);
  });

  test.each([
    [['--admin-addr=127.0.0.1:0'], '--admin-addr: must have the port'],
    [['--admin-addr='], '--admin-addr: must not be empty'],
    [['--admin-addr=nowhere'], '--admin-addr: must be an address such as'],
    [['--wait-for=etcd'], '--wait-for: must be ready, started, live or upstream'],
    [['--timeout=5'], '--timeout: must be a duration'],
    [['--endpoints=a:1'], '--endpoints: unknown flag'],
  ])('rejects %s with 64', async (args, problem) => {
    const { code, err } = await run(['wait', ...args]);
    expect([code, err]).toEqual([64, expect.stringContaining(problem)]);
  });

  test('prints its flags with --help', async () => {
    const { code, out } = await run(['wait', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--wait-for ready|started|live|upstream');
    expect(out).toContain('--admin-addr address');
    expect(out).toContain('(default 30s)');
  });

  test('ignores pages of another server, whatever they contain', async () => {
    const server = createServer((_request, response) => {
      response.end('x'.repeat(8 << 20));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    try {
      const { code, err } = await run([
        ...['wait', `--admin-addr=127.0.0.1:${port}`, '--wait-for=upstream', '--timeout=0s'],
      ]);
      expect([code, err]).toEqual([1, expect.stringContaining('the response is too large')]);
    } finally {
      server.close();
    }
  });
});

describe('shutdown', () => {
  test.each([1, 2])('drains a proxy of %i processes and returns after its end', async (workers) => {
    const admin = `--admin-addr=127.0.0.1:${await freePort()}`;
    using proxy = new Program([
      ...['run', ...quick, admin, '--admin-shutdown', '--min-drain=500ms', `--workers=${workers}`],
    ]);
    await proxy.serving();
    const { code, err } = await run(['shutdown', admin]);
    expect([code, err]).toEqual([0, '']);
    // The admin address closes last; only the exit itself can still be ahead.
    expect(await proxy.ended).toEqual([0, null]);
    expect(proxy.out).toMatch(/"request":"\/quitquitquit","remote":"127.0.0.1"/);
  });

  test('fails if the drain takes longer than its timeout, and the drain continues', async () => {
    const admin = `--admin-addr=127.0.0.1:${await freePort()}`;
    using proxy = new Program([
      ...['run', ...quick, admin, '--admin-shutdown', '--min-drain=60s', '--max-drain=61s'],
    ]);
    await proxy.serving();
    const { code, err } = await run(['shutdown', admin, '--timeout=500ms']);
    expect(code).toBe(1);
    expect(err).toContain('still draining');
    expect((await run(['shutdown', admin, '--timeout=0s'])).code).toBe(0);
    // A signal during a requested drain is the first one, so it does not end the process.
    proxy.kill('SIGTERM');
    expect((await run(['wait', admin, '--timeout=0s', '--wait-for=live'])).code).toBe(0);
  });

  test('is rejected unless the proxy permits it', async () => {
    using proxy = new Program(['run', ...quick, '--admin-addr=127.0.0.1:0']);
    const { admin } = await proxy.serving();
    const { code, err } = await run(['shutdown', `--admin-addr=${admin}`]);
    expect([code, err]).toEqual([
      1,
      'etcd-bulkhead shutdown: 404 shutdown is disabled: see --admin-shutdown\n',
    ]);
  });
});
