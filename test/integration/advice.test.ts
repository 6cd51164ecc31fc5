/** The advice of a running proxy: what real clients do is on the admin address, and not visible to tenants. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TenantAdvice } from '../../src/observe/advice/report.ts';
import { grpcClient } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Exposition } from '../support/exposition.ts';
import { Sidecar } from '../support/sidecar.ts';
import { until } from '../support/until.ts';

let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
});

async function adviceOf(sidecar: Sidecar): Promise<readonly TenantAdvice[]> {
  return JSON.parse(await sidecar.page('/advicez')).tenants;
}

async function useKeys(address: string): Promise<void> {
  using client = grpcClient(address);
  for (let i = 0; i < 30; i++) {
    await client.call('etcdserverpb.KV/Put', {
      key: Buffer.from(`players/1/\x1b[2J`),
      value: Buffer.alloc(100),
    });
  }
  await client.call('etcdserverpb.KV/Range', { key: Buffer.from('config') });
}

test.each([1, 2])(
  'with %i worker(s) the busiest keys are the visible ones, printable',
  async (n) => {
    await using sidecar = await Sidecar.start(
      ...[`--endpoints=${etcd.address}`, '--namespace=game/', `--workers=${n}`],
    );
    for (let i = 0; i < 2; i++) await useKeys(sidecar.address);
    const calls = async (key: string) =>
      (await adviceOf(sidecar)).flatMap(({ keys }) => keys).find((each) => each.key === key)?.calls;
    await until('all calls', async () => (await calls('config')) === 2);
    const [advice, ...others] = await adviceOf(sidecar);
    expect(others).toEqual([]);
    expect(advice).toEqual({
      tenant: 'default',
      seconds: expect.any(Number),
      keys: [
        { key: 'players/1/\\x1b[2J', calls: 60, bytes: expect.any(Number) },
        { key: 'config', calls: 2, bytes: expect.any(Number) },
      ],
      prefixes: [
        { prefix: 'players/', calls: 60, bytes: expect.any(Number) },
        { prefix: 'players/1/', calls: 60, bytes: expect.any(Number) },
      ],
      findings: [],
    });
    expect(advice?.keys[0]?.bytes).toBeGreaterThan(6_000);
    const metrics = new Exposition(await sidecar.page('/metrics'));
    expect(metrics.byLabel('etcd_bulkhead_findings', 'finding').get('busy-key')).toBe(0);
    const onClientPort = await fetch(`http://${sidecar.address}/advicez`);
    expect(onClientPort.status).toBe(404);
  },
);

test('it can be switched off', async () => {
  await using sidecar = await Sidecar.start(
    ...[`--endpoints=${etcd.address}`, '--namespace=game/', '--advice=off'],
  );
  expect(await sidecar.probe('/advicez')).toBe(404);
  expect(await sidecar.page('/metrics')).not.toContain('etcd_bulkhead_findings{');
});
