/** The logs of the program as an operator configures them: operations at debug, the access log and the audit log. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashPassword } from '../../../src/identity/password.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { logIn as requestToken } from '../../support/configured.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Exposition } from '../../support/exposition.ts';
import { documented, type LogLine } from '../../support/log-lines.ts';
import { Program } from '../../support/program.ts';
import { type ServingLine, servingLineIn } from '../../support/serving-line.ts';
import { Sidecar } from '../../support/sidecar.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('logs');
const key = Buffer.from('map');
const value = Buffer.from('secret-value');
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

/** Every line that is printed completely. Throws for one that docs/logs.md does not describe. */
function linesOf(printed: string): readonly LogLine[] {
  return printed
    .slice(0, printed.lastIndexOf('\n'))
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map(documented);
}

function start(...args: string[]): Promise<Sidecar> {
  return Sidecar.start(`--endpoints=${etcd.address}`, '--namespace=game/', ...args);
}

async function useAll(address: string): Promise<void> {
  using client = grpcClient(address);
  await client.call('etcdserverpb.KV/Put', { key, value });
  await client.call('etcdserverpb.KV/Range', { key });
  await client.call('etcdserverpb.KV/Txn', { success: [{ request_put: { key, value } }] });
  const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });
  await client.call('etcdserverpb.Lease/LeaseRevoke', { ID });
  const watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key, range_end: Buffer.from('mbp') } });
  await watch.next();
  await client.call('etcdserverpb.KV/Put', { key, value });
  await watch.next();
  watch.cancel();
  await refusal(client.call('etcdserverpb.Maintenance/Defragment', {}));
}

test('at debug every operation is logged, with keys as configured and never with values', async () => {
  await using sidecar = await start('--log-level=debug', '--log-keys=truncated');
  await useAll(sidecar.address);
  await until('the end of the watch stream', () =>
    linesOf(sidecar.printed).some(({ event }) => event === 'stream closed'),
  );
  const lines = linesOf(sidecar.printed);
  const calls = lines.filter(({ event }) => event === 'call').map(({ method }) => method);
  expect(calls).toEqual([
    ...['KV/Put', 'KV/Range', 'KV/Txn', 'Lease/LeaseGrant', 'Lease/LeaseRevoke', 'KV/Put'].map(
      (name) => `etcdserverpb.${name}`,
    ),
    'etcdserverpb.Maintenance/Defragment',
  ]);
  const messages = lines.filter(({ request, response, event }) =>
    String(event).startsWith('stream ') ? (request ?? response) : false,
  );
  expect(messages.map(({ request, response }) => request ?? response)).toEqual([
    { create: { key: 'map', rangeEnd: 'mbp' } },
    expect.objectContaining({ created: true }),
    expect.objectContaining({ events: 1 }),
  ]);
  const grants = lines.filter(({ method }) => String(method).includes('/Lease'));
  const leases = grants.flatMap(({ request, response }) => [
    (response as { lease?: string }).lease ?? (request as { lease?: string }).lease,
  ]);
  expect(leases[0]).toMatch(/^[1-9a-f][0-9a-f]*$/);
  expect(leases[1]).toBe(leases[0]);
  expect(sidecar.printed).not.toContain('secret');
});

describe('the access log', () => {
  test('contains failed calls and a sample of the others, and counts what it suppresses', async () => {
    await using sidecar = await start(
      ...['--access-log=sampled', '--access-log-sample=1', '--access-log-rate=5'],
    );
    using client = grpcClient(sidecar.address);
    await refusal(client.call('etcdserverpb.KV/Range', { key, revision: 99_999 }));
    for (let i = 0; i < 40; i++) await client.call('etcdserverpb.KV/Range', { key });
    await until('the lines', () =>
      linesOf(sidecar.printed).some(({ cause }) => cause === 'sample'),
    );
    const access = linesOf(sidecar.printed).filter(({ log }) => log === 'access');
    expect(access.find(({ cause }) => cause === 'error')).toMatchObject({
      event: 'call',
      method: 'etcdserverpb.KV/Range',
      code: 'OutOfRange',
    });
    const metrics = new Exposition(await sidecar.page('/metrics'));
    const counts = metrics.byLabel('etcd_bulkhead_log_suppressed_lines_total', 'log');
    expect(new Map(counts).get('access')).toBeGreaterThan(5);
  });
});

describe('the audit log', () => {
  const config = join(directory.path, 'config.yaml');
  const users = join(directory.path, 'users');

  test('contains refusals, calls of the owner, actions and configurations', async () => {
    writeFileSync(users, `ops:${await hashPassword(Buffer.from('right'))}\n`);
    const text = (hold: string) => `
endpoints: ["${etcd.address}"]
users-file: ${users}
hold: ${hold}
log-level: info
admin-addr: 127.0.0.1:0
admin-actions: true
tenants:
  - { name: game, namespace: game/ }
  - { name: ops, namespace: ops/, role: owner }
listeners:
  - { address: "127.0.0.1:0", identify: [user], tenant: game }
`;
    writeFileSync(config, text('1s'));
    using program = new Program(['run', `--config=${config}`]);
    const { admin, addresses } = await program.serving();
    using client = grpcClient(addresses[0] ?? '');
    const post = (path: string) =>
      fetch(`http://${admin}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      });
    const logIn = (name: string, password: string) => requestToken(client, name, password);
    await refusal(logIn('ops', 'wrong-password'));
    await refusal(logIn('a-password', 'ops'));
    const token = await logIn('ops', 'right');
    const asOps = { metadata: { token } };
    await client.call('etcdserverpb.Maintenance/Defragment', {}, asOps);
    await client.call('etcdserverpb.Maintenance/Status', {}, asOps);
    await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata: { token: 'forged' } }));
    await refusal(client.call('etcdserverpb.Maintenance/Defragment', {}));
    await post('/breakers/game/write?state=open');
    await post('/breakers/unknown/write?state=open');
    writeFileSync(config, text('2s'));
    program.kill('SIGHUP');
    const audit = () => linesOf(program.out).filter(({ log }) => log === 'audit');
    const count = (event: string) => audit().filter((line) => line['event'] === event).length;
    await until('the reload', () => count('configuration applied') === 2);
    writeFileSync(config, text('soon'));
    program.kill('SIGHUP');
    await until('the rejected reload', () => count('configuration rejected') > 0);
    const shown = audit().map(({ event, outcome, tenant, identity, reason }) => ({
      ...{ event, outcome },
      ...(tenant !== undefined && { tenant }),
      ...(identity !== undefined && { identity }),
      ...(reason !== undefined && { reason }),
    }));
    const failed = { event: 'login failed', outcome: 'refused', reason: 'authentication-failed' };
    expect(shown.slice(0, 8)).toEqual([
      { event: 'configuration applied', outcome: 'done' },
      { ...failed, identity: 'user:ops' },
      { ...failed, identity: 'user' },
      { event: 'owner call', outcome: 'done', tenant: 'ops', identity: 'user:ops' },
      { event: 'identity refused', outcome: 'refused', identity: 'token', reason: 'token-invalid' },
      {
        ...{ event: 'method refused', outcome: 'refused', tenant: 'game' },
        ...{ identity: 'listener', reason: 'method-denied' },
      },
      { event: 'admin action', outcome: 'done', tenant: 'game' },
      { event: 'admin action', outcome: 'refused', reason: 'the tenant does not exist' },
    ]);
    for (const { event, remote } of audit()) {
      if (!String(event).startsWith('configuration')) expect(remote).toMatch(/^127\.0\.0\.1/);
    }
    for (const secret of ['wrong-password', 'a-password', 'forged', token]) {
      expect(program.out).not.toContain(secret);
    }
  });
});

type Child = ReturnType<typeof startWithOpenOutput>;

function startWithOpenOutput(...logs: string[]) {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
  const args = ['--listen-addr=127.0.0.1:0', '--admin-addr=127.0.0.1:0', '--drain-window=0s'];
  return spawn(process.execPath, [main, 'run', `--endpoints=${etcd.address}`, ...args, ...logs], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Reads no further. */
async function servingLineOf({ stdout }: Child): Promise<ServingLine> {
  let printed = '';
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    printed += chunk;
    const line = servingLineIn(printed);
    if (line !== null) return line;
  }
  throw new Error(`no line that it serves: ${printed}`);
}

function within<T>(ms: number, promise: Promise<T>): Promise<T | 'too late'> {
  return Promise.race([promise, sleep(ms, 'too late' as const, { ref: false })]);
}

test('a reader of the output that is stuck delays no call and not the end of the process', async () => {
  const child = startWithOpenOutput('--log-level=debug', '--log-keys');
  const ended = once(child, 'exit');
  using _killed = { [Symbol.dispose]: () => void child.kill('SIGKILL') };
  const { admin, addresses } = await servingLineOf(child);
  using client = grpcClient(addresses[0] ?? '');
  const longKey = Buffer.alloc(250, 'k');
  const success = Array.from({ length: 16 }, () => ({ request_range: { key: longKey } }));
  const compare = success.map(() => ({ key: longKey }));
  const dropped = async () => {
    const page = await (await fetch(`http://${admin}/metrics`)).text();
    return new Exposition(page).value('etcd_bulkhead_log_dropped_lines_total') ?? 0;
  };
  // Each line has 12 KB.
  for (let round = 0; round < 100 && (await dropped()) === 0; round += 1) {
    const call = () => client.call('etcdserverpb.KV/Txn', { compare, success, failure: success });
    await Promise.all(Array.from({ length: 50 }, call));
  }
  expect(await dropped()).toBeGreaterThan(0);
  await client.call('etcdserverpb.KV/Range', { key });
  child.kill('SIGTERM');
  expect(await within(10_000, ended)).toEqual([0, null]);
});

test('a reader that has closed the output ends neither the calls nor keeps the process from ending', async () => {
  const child = startWithOpenOutput('--log-level=debug');
  const ended = once(child, 'exit');
  using _killed = { [Symbol.dispose]: () => void child.kill('SIGKILL') };
  const { addresses } = await servingLineOf(child);
  child.stdout.destroy();
  using client = grpcClient(addresses[0] ?? '');
  for (let i = 0; i < 20; i++) await client.call('etcdserverpb.KV/Range', { key });
  child.kill('SIGTERM');
  expect(await within(10_000, ended)).toEqual([0, null]);
});
