/** Affinity by tenant and the replacement of a replica: HAProxy with the example of the documentation, in front of two. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { GrpcClient } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Exposition } from '../support/exposition.ts';
import { checkHaproxy, Haproxy, haproxy } from '../support/haproxy.ts';
import { freePorts } from '../support/ports.ts';
import { Program } from '../support/program.ts';
import { ResumingWatch } from '../support/resuming-watch.ts';
import type { ServingLine } from '../support/serving-line.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const example = fileURLToPath(
  new URL('../../docs/examples/kubernetes/haproxy.cfg', import.meta.url),
);
const tenants = Array.from({ length: 12 }, (_, index) => `tenant-${index}.etcd.example`);
const key = Buffer.from('k');
const nowhere: ServingLine = { addresses: [], admin: null };

function portOf(address: string | null | undefined): string {
  return address?.split(':').at(-1) ?? '';
}

/** The example with servers of this machine in place of those that DNS finds in a cluster. */
function configuration(port: number, replicas: readonly ServingLine[]): string {
  const servers = replicas.map(
    ({ addresses, admin }, index) =>
      `  server replica${index} 127.0.0.1:${portOf(addresses[0])} check port ${portOf(admin)}`,
  );
  const text = readFileSync(example, 'utf8');
  const changed = text
    .replace('bind :2379', `bind 127.0.0.1:${port}`)
    .replace(/ {2}server-template .*/, servers.join('\n'))
    .replace(/resolvers cluster[\s\S]*?\n\n/, '')
    .replace('check port 2381 ', '')
    // A busy machine responds late, and is not unready.
    .replace('timeout check 2s', 'timeout check 30s')
    // The limit of file descriptors must permit twice as many.
    .replace(/maxconn \d+/, 'maxconn 100');
  expect(changed).not.toBe(text);
  return changed;
}

async function rangesAt({ admin }: ServingLine): Promise<number> {
  const page = await (await fetch(`http://${admin}/metrics`)).text();
  return new Exposition(page).sum('grpc_server_started_total', 'grpc_method="Range"');
}

/** Two replicas with one configuration behind HAProxy. */
class Gateway implements AsyncDisposable {
  readonly replicas: readonly [Program, Program];
  serving: readonly [ServingLine, ServingLine] = [nowhere, nowhere];
  #balancer: Haproxy | null = null;
  #port = 0;
  readonly #directory = new TemporaryDirectory('affinity');
  readonly #authority = new CertificateAuthority();

  /** `drain` has the settings of the drain. */
  constructor(endpoint: string, drain: Readonly<Record<string, string>>) {
    const pair = this.#authority.issue({
      ...{ name: '/CN=gateway', alternativeNames: 'DNS:*.etcd.example' },
    });
    const config = {
      ...{ endpoints: [endpoint], 'admin-addr': '127.0.0.1:0', ...drain },
      tenants: [{ name: 'game', namespace: 'game/' }],
      listeners: [
        {
          ...{ address: '127.0.0.1:0', tenant: 'game' },
          ...{ 'cert-file': pair.certificateFile, 'key-file': pair.keyFile },
        },
      ],
    };
    const file = join(this.#directory.path, 'config.yaml');
    writeFileSync(file, JSON.stringify(config));
    const start = () => new Program(['run', `--config=${file}`]);
    this.replicas = [start(), start()];
  }

  /** Resolves when calls arrive. */
  async start(): Promise<void> {
    const [one, other] = this.replicas;
    this.serving = [await one.serving(), await other.serving()];
    [this.#port = 0] = await freePorts(1);
    const file = join(this.#directory.path, 'haproxy.cfg');
    writeFileSync(file, configuration(this.#port, this.serving));
    const balancer = new Haproxy(file);
    this.#balancer = balancer;
    await until(
      () => `the balancer (${balancer.printed})`,
      async () => {
        using client = this.connect(tenants[0] ?? '');
        // Awaited here: the client is closed at the end of the block.
        return await client.call('etcdserverpb.KV/Range', { key }).then(
          () => true,
          () => false,
        );
      },
    );
  }

  /** A client of a tenant, on a connection of its own. */
  connect(tenant: string): GrpcClient {
    const secure = credentials.createSsl(readFileSync(this.#authority.certificateFile));
    // A stream that a server refuses after its GOAWAY was not processed: client libraries send it again on their own.
    const options = { 'grpc.ssl_target_name_override': tenant, 'grpc.enable_retries': 1 };
    return new GrpcClient(`127.0.0.1:${this.#port}`, secure, options);
  }

  ranges(): Promise<number[]> {
    return Promise.all(this.serving.map(rangesAt));
  }

  /** Makes one call on a new connection. Returns the index of the replica that served it. */
  async replicaOf(tenant: string): Promise<number> {
    const before = await this.ranges();
    using client = this.connect(tenant);
    await client.call('etcdserverpb.KV/Range', { key }, { timeoutMs: 30_000 });
    const after = await this.ranges();
    return after.findIndex((count, index) => count > (before[index] ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#balancer?.[Symbol.asyncDispose]();
    for (const replica of this.replicas) replica[Symbol.dispose]();
    this.#authority[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}

describe.skipIf(haproxy === null)('HAProxy with the example of the documentation', () => {
  let etcd: Etcd;

  beforeAll(async () => {
    etcd = await startEtcd();
  });

  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('accepts it', () => {
    const { isValid, output } = checkHaproxy(example);
    expect(isValid, output).toBe(true);
    expect(output).not.toContain('WARNING');
  });

  test('sends all connections of a tenant to one replica, and to the other one when that is not ready', async () => {
    await using gateway = new Gateway(etcd.address, { 'min-drain': '60s', 'max-drain': '70s' });
    await gateway.start();
    const first: number[] = [];
    for (const tenant of tenants) first.push(await gateway.replicaOf(tenant));
    const again: number[] = [];
    for (const tenant of tenants) again.push(await gateway.replicaOf(tenant));
    expect(again).toEqual(first);
    // Both have some.
    expect(new Set(first)).toEqual(new Set([0, 1]));

    // It still accepts calls, but is not ready.
    gateway.replicas[0].kill('SIGTERM');
    const [ofGone = ''] = tenants.filter((_, index) => first[index] === 0);
    await until('the other replica', async () => (await gateway.replicaOf(ofGone)) === 1);
    for (const tenant of tenants) expect(await gateway.replicaOf(tenant), tenant).toBe(1);
  });

  test('loses no call and no event when a replica is replaced', async () => {
    // As the chart does: not ready first, then the streams end, then the process.
    const drain = { 'min-drain': '4s', 'drain-window': '1s', 'max-drain': '20s' };
    await using gateway = new Gateway(etcd.address, drain);
    await gateway.start();
    const tenant = tenants[0] ?? '';
    const replaced = gateway.replicas[await gateway.replicaOf(tenant)] ?? gateway.replicas[0];
    using writer = gateway.connect(tenant);
    using watcher = gateway.connect(tenant);
    const failures: string[] = [];
    let isOver = false;
    let puts = 0;
    const put = () => writer.call('etcdserverpb.KV/Put', { key, value: Buffer.from(`${puts}`) });
    const start = Number((await put()).header?.revision);
    await using watch = new ResumingWatch(watcher, start + 1);
    const writing = (async () => {
      while (!isOver) {
        await put().then(
          () => {
            puts += 1;
          },
          (error: Error) => failures.push(error.message),
        );
        await sleep(5);
      }
    })();
    replaced.kill('SIGTERM');
    expect(await replaced.ended).toEqual([0, null]);
    const atEnd = puts;
    await until('puts at the other replica', () => puts > atEnd + 20);
    isOver = true;
    await writing;
    expect(failures).toEqual([]);
    await until('every event', () => watch.events.length >= puts);
    expect(watch.events).toHaveLength(puts);
    expect(new Set(watch.events).size).toBe(puts);
    // The stream of the watch was ended by the drain, and continued at the other replica.
    expect(watch.breaks.length).toBeGreaterThan(0);
  });
});
