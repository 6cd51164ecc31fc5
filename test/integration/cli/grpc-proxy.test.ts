/**
 * `grpc-proxy start` in the place of `etcd grpc-proxy start`: the same flags for both, and the same responses to what probes,
 * scrapers and operators ask.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as httpsGet } from 'node:https';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { type Etcd, etcdBinary, startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { freePorts } from '../../support/ports.ts';
import { Program } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

let etcd: Etcd;
let authority: CertificateAuthority;
let server: KeyPair;

beforeAll(async () => {
  etcd = await startEtcd();
  authority = new CertificateAuthority();
  server = authority.issue({ name: '/CN=server', alternativeNames: 'IP:127.0.0.1' });
});

afterAll(async () => {
  authority?.[Symbol.dispose]();
  await etcd?.[Symbol.asyncDispose]();
});

/** Both accept connections on `ports`. */
const kinds = ['etcd', 'etcd-bulkhead'] as const;
type Kind = (typeof kinds)[number];

function programOf(kind: Kind, args: readonly string[]): Program {
  return new Program(args, {}, kind === 'etcd' ? { other: etcdBinary } : {});
}

function started(kind: Kind, ports: readonly number[], ...flags: string[]) {
  return startedAt(etcd.address, kind, ports, ...flags);
}

async function startedAt(
  endpoint: string,
  kind: Kind,
  ports: readonly number[],
  ...flags: string[]
) {
  const program = programOf(kind, ['grpc-proxy', 'start', `--endpoints=${endpoint}`, ...flags]);
  await Promise.all(
    ports.map((port) => until(`port ${port} (${program.err})`, () => accepts(port))),
  );
  return program;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

interface Got {
  readonly code: number | undefined;
  readonly body: string;
}

function ask(url: string, ca?: Buffer): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsGet(url, { ca, agent: false }) : get(url);
    request.on('error', reject).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve({ code: response.statusCode, body }));
    });
  });
}

describe.each(kinds)('%s', (kind) => {
  test('serves health and metrics on the client port and on --metrics-addr', async () => {
    const [port = 0, metrics = 0] = await freePorts(2);
    using _program = await started(
      ...[kind, [port, metrics], `--listen-addr=127.0.0.1:${port}`, '--advertise-client-url='],
      `--metrics-addr=http://127.0.0.1:${metrics}`,
    );
    for (const each of [port, metrics]) {
      const base = `http://127.0.0.1:${each}`;
      await until('health', async () => (await ask(`${base}/health`)).code === 200);
      const { body } = await ask(`${base}/health`);
      expect((JSON.parse(body) as { health: string }).health).toBe('true');
      for (const path of ['/metrics', '/proxy/metrics']) {
        const page = await ask(base + path);
        // etcd 3.4 has no /proxy paths.
        if (kind === 'etcd' && page.code === 404) continue;
        expect([path, page.code]).toEqual([path, 200]);
        expect(page.body).toContain('process_resident_memory_bytes ');
      }
      expect((await ask(`${base}/nothing`)).code).toBe(404);
    }
  });

  test('serves an https:// --metrics-addr with the certificate of the listener', async () => {
    const [port = 0, metrics = 0] = await freePorts(2);
    using _program = await started(
      ...[kind, [port, metrics], `--listen-addr=127.0.0.1:${port}`],
      `--advertise-client-url=`,
      ...[`--cert-file=${server.certificateFile}`, `--key-file=${server.keyFile}`],
      `--metrics-addr=https://127.0.0.1:${metrics}`,
    );
    const url = `https://127.0.0.1:${metrics}/health`;
    await until('health', async () => (await ask(url, authority.certificate)).code === 200);
    const { code } = await ask(`http://127.0.0.1:${metrics}/health`).catch(() => ({ code: 0 }));
    expect(code).not.toBe(200);
  });

  test('without a namespace, clients use all methods with their own credentials', async () => {
    await using own = await startEtcd();
    const [port = 0] = await freePorts(1);
    const flags = [`--listen-addr=127.0.0.1:${port}`, '--advertise-client-url='];
    using _program = await startedAt(own.address, kind, [port], ...flags);
    const ctl = async (...args: string[]) => {
      const { code, out, err } = await etcdctl(`127.0.0.1:${port}`, args);
      return code === 0 ? out : `failed: ${err}`;
    };
    // etcd's list, and not the proxy.
    expect(await ctl('member', 'list')).toContain(own.clientUrl);
    await ctl('put', 'k1', 'v');
    for (const user of ['root', 'reader']) await ctl('user', 'add', `${user}:secret`);
    await ctl('role', 'add', 'reader');
    await ctl('role', 'grant-permission', 'reader', 'read', 'k1');
    for (const user of ['root', 'reader']) await ctl('user', 'grant-role', user, user);
    expect(await ctl('auth', 'enable')).toContain('Authentication Enabled');
    const reader = '--user=reader:secret';
    expect(await ctl(reader, 'get', 'k1')).toBe('k1\nv\n');
    expect(await ctl(reader, 'put', 'k1', 'w')).toContain('permission denied');
    expect(await ctl('get', 'k1')).toContain('user name is empty');
    expect(await ctl('--user=root:secret', 'put', 'k1', 'w')).toBe('OK\n');
    expect(await ctl('--user=root:secret', 'auth', 'disable')).toContain('Disabled');
  });

  test('with --auto-tls, a certificate is made below --data-dir and used again', async () => {
    using directory = new TemporaryDirectory('data-dir');
    const certificates: Buffer[] = [];
    for (let i = 0; i < 2; i++) {
      const [port = 0] = await freePorts(1);
      using program = await started(
        ...[kind, [port], `--listen-addr=127.0.0.1:${port}`, '--advertise-client-url='],
        ...['--auto-tls', `--data-dir=${directory.path}`],
      );
      certificates.push(readFileSync(join(directory.path, 'fixtures', 'proxy', 'cert.pem')));
      const args = [
        'endpoint',
        'status',
        '--insecure-skip-tls-verify',
        '--insecure-transport=false',
      ];
      const { code, err } = await etcdctl(`https://127.0.0.1:${port}`, args);
      expect([code, err]).toEqual([0, '']);
      program.kill('SIGKILL');
    }
    expect(certificates[0]).toEqual(certificates[1]);
  });

  test('rejects what etcd rejects', async () => {
    const problems = [
      ['--resolver-prefix=p'],
      ['--resolver-ttl=5'],
      ['--auto-tls', '--self-signed-cert-validity=0'],
      ['--cert-file=x', '--key-file=x', '--listen-cipher-suites=TLS_NO_SUCH_SUITE'],
    ];
    for (const flags of problems) {
      const [port = 0] = await freePorts(1);
      const args = ['grpc-proxy', 'start', `--endpoints=${etcd.address}`];
      const listen = `--listen-addr=127.0.0.1:${port}`;
      using program = programOf(kind, [...args, listen, '--advertise-client-url=', ...flags]);
      const [code] = await program.ended;
      expect([flags, code === 0]).toEqual([flags, false]);
    }
  });
});

test('with a namespace, clients are tenants: no method on the whole cluster, and no members of etcd', async () => {
  const [port = 0] = await freePorts(1);
  using _program = await started(
    ...(['etcd-bulkhead', [port], `--listen-addr=127.0.0.1:${port}`] as const),
    ...['--namespace=game/', '--advertise-client-url='],
  );
  const member = await etcdctl(`127.0.0.1:${port}`, ['member', 'list']);
  expect(member.out).not.toContain(etcd.clientUrl);
  expect((await etcdctl(`127.0.0.1:${port}`, ['user', 'list'])).err).toContain('permission denied');
});

test('no flag of etcd’s proxy is unknown', async () => {
  const args = ['grpc-proxy', 'start', '--help'];
  using help = programOf('etcd', args);
  await help.ended;
  const flags = [...(help.out + help.err).matchAll(/^\s+(?:-\w, )?--([\w-]+)/gm)].map(
    ([, flag]) => flag,
  );
  expect(flags.length).toBeGreaterThan(20);
  const given = flags.filter((flag) => flag !== 'help').map((flag) => `--${flag}=1`);
  // An unknown flag is reported with the other problems: here, that there is no such address.
  using program = programOf('etcd-bulkhead', ['grpc-proxy', 'start', ...given, '--admin-addr=x']);
  expect(await program.ended).toEqual([64, null]);
  expect(program.err).not.toContain('unknown flag');
});
