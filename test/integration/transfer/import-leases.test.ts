/** `import --with-leases` while leases end: what is reported as imported is there. The calls of the import are intercepted. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { EtcdClient } from '../../../src/cli/transfer/etcd-client.ts';
import { exportKeys } from '../../../src/cli/transfer/export.ts';
import { importKeys } from '../../../src/cli/transfer/import.ts';
import type { MethodName } from '../../../src/etcd/methods.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { stored } from '../../support/transfer.ts';

const directory = new TemporaryDirectory('import-leases');
const command = { name: 'test', summary: '' };
let source: Etcd;
let etcd: Etcd;
let from: GrpcClient;
let to: GrpcClient;

beforeAll(async () => {
  source = await startEtcd();
  etcd = await startEtcd();
  from = grpcClient(source.address);
  to = grpcClient(etcd.address);
});

afterEach(() => void vi.restoreAllMocks());

afterAll(async () => {
  from[Symbol.dispose]();
  to[Symbol.dispose]();
  await source[Symbol.asyncDispose]();
  await etcd[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  program: typeof importKeys,
  { address }: Etcd,
  ...flags: readonly string[]
): Promise<Result> {
  let [out, err] = ['', ''];
  const code = await program(command, {
    args: [`--endpoints=${address}`, ...flags],
    environment: {},
    output: {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
    },
  });
  return { code, out, err };
}

/** Exports a namespace with one key that has a lease, and one that has none. */
async function exported(name: string, lease: string, ttlSeconds: number): Promise<string[]> {
  await from.call('etcdserverpb.Lease/LeaseGrant', { ID: lease, TTL: `${ttlSeconds}` });
  for (const [key, id] of [
    [`${name}/leased`, lease],
    [`${name}/plain`, '0'],
  ] as const) {
    await from.call('etcdserverpb.KV/Put', {
      ...{ key: Buffer.from(key), value: Buffer.from('v'), lease: id },
    });
  }
  const file = join(directory.path, `${name}.ebx`);
  const { code } = await run(exportKeys, source, `--namespace=${name}/`, `--output=${file}`);
  expect(code).toBe(0);
  return [`--namespace=${name}/`, `--input=${file}`, '--with-leases'];
}

/** Runs `before` and `after` around the calls of a method. */
function intercept(
  name: MethodName,
  { before, after }: { before?: () => Promise<unknown>; after?: () => Promise<unknown> },
): void {
  const call = EtcdClient.prototype.call;
  vi.spyOn(EtcdClient.prototype, 'call').mockImplementation(async function (
    this: EtcdClient,
    called,
    request,
  ) {
    if (called === name) await before?.();
    const response = await call.call(this, called, request);
    if (called === name) await after?.();
    return response;
  });
}

const revoke = (ID: string) => to.call('etcdserverpb.Lease/LeaseRevoke', { ID }).catch(() => null);

const keys = async (prefix: string) =>
  (await stored(to, prefix)).map(({ key, lease }) => [key.toString(), lease]);

test('a repeated import writes the keys of a lease that ends after the comparison', async () => {
  const flags = await exported('a', '100', 600);
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  intercept('etcdserverpb.Lease/LeaseGrant', { before: () => revoke('100') });
  const { code, out } = await run(importKeys, etcd, ...flags);
  expect([code, out]).toEqual([0, expect.stringContaining('wrote 1 keys')]);
  expect(out).toContain('granted 1 of 1 leases');
  expect(await keys('a/')).toEqual([
    ['leased', '100'],
    ['plain', '0'],
  ]);
});

test('a repeated import renews a lease that is about to end at once', async () => {
  const flags = await exported('b', '101', 6);
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  await to.call('etcdserverpb.KV/DeleteRange', { key: Buffer.from('b/plain') });
  // The first renewal was due after 2 s, and 1.5 s are left.
  await sleep(4_500);
  intercept('etcdserverpb.KV/Txn', { before: () => sleep(2_500) });
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  expect(await keys('b/')).toEqual([
    ['leased', '101'],
    ['plain', '0'],
  ]);
});

test('an import fails if a lease has ended before its last key was written', async () => {
  const flags = await exported('c', '102', 600);
  intercept('etcdserverpb.KV/Txn', { after: () => revoke('102') });
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/lease 102, granted as 102, has ended during the import/),
  });
  vi.restoreAllMocks();
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  expect(await keys('c/')).toEqual([
    ['leased', '102'],
    ['plain', '0'],
  ]);
});

test('a lease that ends while it is found to exist is granted again', async () => {
  const flags = await exported('d', '103', 600);
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  intercept('etcdserverpb.Lease/LeaseTimeToLive', { before: once(() => revoke('103')) });
  expect(await run(importKeys, etcd, ...flags)).toMatchObject({ code: 0 });
  expect(await keys('d/')).toEqual([
    ['leased', '103'],
    ['plain', '0'],
  ]);
});

function once(action: () => Promise<unknown>): () => Promise<unknown> {
  let wasCalled = false;
  return async () => {
    if (wasCalled) return;
    wasCalled = true;
    await action();
  };
}
