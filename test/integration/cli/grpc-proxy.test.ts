/**
 * `grpc-proxy start` in the place of `etcd grpc-proxy start`: the same flags for both, and the same responses to what probes,
 * scrapers and operators ask.
 */
import { get } from 'node:http';
import { get as httpsGet } from 'node:https';
import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { type Etcd, etcdBinary, startEtcd } from '../../support/etcd.ts';
import { freePorts } from '../../support/ports.ts';
import { Program } from '../../support/program.ts';
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

async function started(kind: Kind, ports: readonly number[], ...flags: string[]) {
  const args = ['grpc-proxy', 'start', `--endpoints=${etcd.address}`, ...flags];
  const program = new Program(args, {}, kind === 'etcd' ? { other: etcdBinary } : {});
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
});
