/** Starts and stops the serving commands as separate processes: signals and exit codes. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { etcdBinary } from '../../support/etcd.ts';
import { Program, runProgram as run } from '../../support/program.ts';

const elsewhere = '--endpoints=127.0.0.1:1';

/** The fields of the log line of an event. */
function line(out: string, event: string): Record<string, unknown> {
  const found = out.split('\n').find((each) => each.includes(`"event":"${event}"`));
  return JSON.parse(found ?? '{}') as Record<string, unknown>;
}

/** A program that fails as etcd does while its port is in use, `failures` times, and then runs etcd. */
class EtcdWithoutPort implements Disposable {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'etcd-without-port-'));
  readonly #starts = join(this.#folder, 'starts');

  constructor(failures: number) {
    this.path = join(this.#folder, 'etcd');
    const script = `#!/bin/sh
      for flag; do case $flag in --listen-client-urls=*) echo "\${flag#*=}" >> '${this.#starts}';; esac; done
      if [ $(wc -l < '${this.#starts}') -gt ${failures} ]; then exec '${etcdBinary}' "$@"; fi
      echo 'listen tcp 127.0.0.1:1: bind: address already in use' >&2
      exit 1
    `;
    writeFileSync(this.path, script, { mode: 0o755 });
  }

  /** The value of --listen-client-urls of each start. */
  get clientUrls(): string[] {
    return readFileSync(this.#starts, 'utf8').trim().split('\n');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

describe('run', () => {
  const quick = [elsewhere, '--listen-addr=127.0.0.1:0', '--admin-addr=127.0.0.1:0'];

  test('serves without etcd, is not ready after the signal, and exits with 0', async () => {
    using program = new Program([...quick, '--min-drain=700ms', '--drain-window=0s']);
    const { admin } = await program.serving();
    expect((await fetch(`http://${admin}/readyz`)).status).toBe(200);
    program.kill('SIGTERM');
    await program.printed('out', /"event":"draining"/);
    expect((await fetch(`http://${admin}/readyz`)).status).toBe(503);
    expect(await program.ended).toEqual([0, null]);
    expect(line(program.out, 'draining')).toMatchObject({ level: 'info', signal: 'SIGTERM' });
    expect(line(program.out, 'stopped')).toMatchObject({ callsCutOff: 0 });
  });

  test('loads node:http for its servers, and not undici, which takes 10 MiB', async () => {
    const atExit = `process.on('exit', () => console.error(process.moduleLoadList.join()))`;
    const hook = `--import="data:text/javascript,${encodeURIComponent(atExit)}"`;
    using program = new Program(quick, { NODE_OPTIONS: hook });
    const { admin } = await program.serving();
    expect((await fetch(`http://${admin}/metrics`)).status).toBe(200);
    program.kill('SIGTERM');
    await program.ended;
    expect(program.err).toContain('NativeModule http,');
    expect(program.err).not.toContain('undici');
  });

  test('exits immediately after a second signal', async () => {
    using program = new Program([...quick, '--min-drain=60s', '--max-drain=100s']);
    await program.serving();
    program.kill('SIGINT');
    await program.printed('out', /"event":"draining"/);
    const again = setInterval(() => program.kill('SIGINT'), 100);
    const ended = await program.ended;
    clearInterval(again);
    expect(ended).toEqual([0, null]);
    expect(line(program.out, 'stopped')).toEqual({});
  });

  test('fails with 1, not 64, if a port cannot be bound', async () => {
    const { code, out } = await run([elsewhere, '--listen-addr=192.0.2.1:2379', '--admin-addr=']);
    expect(code).toBe(1);
    expect(line(out, 'cannot start')).toMatchObject({
      level: 'fatal',
      error: expect.stringContaining('192.0.2.1:2379'),
    });
  });
});

describe('grpc-proxy start', () => {
  test('prints that it has started, and drains on a signal', async () => {
    using program = new Program([
      ...[
        'grpc-proxy',
        'start',
        elsewhere,
        '--listen-addr=127.0.0.1:0',
        '--max-recv-bytes=1',
        '--debug',
      ],
    ]);
    await program.printed('err', /^started gRPC proxy on 127\.0\.0\.1:[1-9]\d*$/m);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
    expect(program.err).toContain(
      '--max-recv-bytes has no effect: responses of etcd are not limited in size',
    );
  });
});

describe('dev', () => {
  const etcdctl = async (...args: string[]) => {
    const env = { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' };
    return (await promisify(execFile)('etcdctl', args, { env, timeout: 20_000 })).stdout;
  };
  const leftovers = () =>
    readdirSync(tmpdir()).filter((name) => name.startsWith('etcd-bulkhead-dev-'));

  /** The arguments of the etcdctl commands in the banner. */
  const pasted = (banner: string) =>
    [...banner.matchAll(/^ {2}ETCDCTL_API=3 etcdctl (.*)$/gm)].map(([, command = '']) =>
      command.split(' ').map((word) => (word === '""' ? '' : word)),
    );

  test('prints commands that show isolated namespaces, and removes all data', async () => {
    const before = leftovers();
    using program = new Program(['dev']);
    await program.printed('out', /remove all data\./);
    const [put = [], get = [], getOther = [], getRaw = []] = pasted(program.out);
    expect(await etcdctl(...put)).toBe('OK\n');
    expect(await etcdctl(...get)).toBe('map\ndesert\n');
    expect(await etcdctl(...getOther)).toBe('');
    expect(await etcdctl(...getRaw)).toBe('game-1/map\ndesert\n');

    // Ctrl-C in a terminal may deliver the signal twice.
    program.kill('SIGINT');
    program.kill('SIGINT');
    expect(await program.ended).toEqual([0, null]);
    expect(leftovers()).toEqual(before);
    await expect(
      etcdctl(...getRaw, '--dial-timeout=500ms', '--command-timeout=1s'),
    ).rejects.toThrow();
  });

  test('uses other ports if its own are in use, and prints that', async () => {
    const taken = createServer();
    await new Promise((resolve) => {
      taken.once('listening', resolve).once('error', resolve).listen(2389, '127.0.0.1');
    });
    try {
      using program = new Program(['dev', '--admin-addr=']);
      await program.printed('out', /Port 2389 is in use, so game-2\/ has another port\./);
      expect(program.out).toMatch(/^ {2}dashboard off$/m);
      program.kill('SIGTERM');
      expect(await program.ended).toEqual([0, null]);
    } finally {
      taken.close();
    }
  });

  test('exits with 1 if etcd ends', async () => {
    const before = leftovers();
    using program = new Program(['dev', '--admin-addr=']);
    const [, , port] = await program.printed('out', /^ {2}(etcd) +127\.0\.0\.1:(\d+)/m);
    const pid = await pidOfEtcd(Number(port));
    process.kill(pid, 'SIGKILL');
    expect(await program.ended).toEqual([1, null]);
    expect(line(program.out, 'draining')).toMatchObject({
      level: 'error',
      reason: expect.stringContaining('etcd ended unexpectedly: exited with SIGKILL'),
    });
    expect(leftovers()).toEqual(before);
  });

  test('starts etcd on other ports if another process has bound one of them meanwhile', async () => {
    using etcd = new EtcdWithoutPort(1);
    using program = new Program(['dev', `--etcd=${etcd.path}`, '--admin-addr=']);
    const [, port] = await program.printed('out', /^ {2}etcd +127\.0\.0\.1:(\d+)/m);
    expect(etcd.clientUrls).toHaveLength(2);
    expect(etcd.clientUrls[1]).toBe(`http://127.0.0.1:${port}`);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  });

  test('exits with 1 if etcd finds its ports in use three times', async () => {
    const before = leftovers();
    using etcd = new EtcdWithoutPort(3);
    const { code, err } = await run(['dev', `--etcd=${etcd.path}`, '--admin-addr=']);
    expect(code).toBe(1);
    expect(err).toContain('bind: address already in use');
    expect(etcd.clientUrls).toHaveLength(3);
    expect(leftovers()).toEqual(before);
  });

  test('explains what to do if there is no etcd', async () => {
    const { code, err } = await run(['dev', '--etcd=/nowhere/etcd', '--admin-addr=']);
    expect(code).toBe(1);
    expect(err).toContain('cannot start etcd: /nowhere/etcd spawn /nowhere/etcd ENOENT');
    expect(err).toContain('set its path with --etcd');
  });
});

/** The process with this port in its command line. */
async function pidOfEtcd(port: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,args=']);
  const line = stdout
    .split('\n')
    .find((each) => each.includes(`--listen-client-urls=http://127.0.0.1:${port}`));
  return Number(line?.trim().split(' ')[0]);
}
