/**
 * A member of three is restarted while tenants watch. Shared watch streams return to it, and no client notices: each has every event
 * once and in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { startCluster } from '../../support/cluster.ts';
import type { Etcd } from '../../support/etcd.ts';
import { Exposition } from '../../support/exposition.ts';
import { startTestProxy } from '../../support/proxy.ts';

const key = Buffer.from('k');

async function watchStreamsOf({ clientUrl }: Etcd): Promise<number> {
  const page = await fetch(`${clientUrl}/metrics`);
  const metrics = new Exposition(await page.text());
  return metrics.value('etcd_debugging_mvcc_watch_stream_total') ?? Number.NaN;
}

test('watches of a restarted member return to it unnoticed', async () => {
  await using cluster = await startCluster(3);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('no member');
  const names = Array.from({ length: 12 }, (_, i) => `t${i}`);
  await using proxy = await startTestProxy({
    endpoints: cluster.members.map(({ address }) => address),
    tenants: names.map((name) => ({ name, namespace: `${name}/` })),
  });
  using owned = new DisposableStack();
  const watches = names.map((name) => {
    const client = owned.use(grpcClient(proxy.address(name)));
    const watch = owned.use(client.stream('etcdserverpb.Watch/Watch'));
    watch.send({ create_request: { key } });
    return { client, watch };
  });
  for (const { watch } of watches) expect(await watch.next()).toMatchObject({ created: true });
  /** Each watch receives exactly the event of its put. */
  const putAll = async () => {
    for (const { client, watch } of watches) {
      const { header } = await client.call('etcdserverpb.KV/Put', { key });
      const { events } = await watch.next();
      expect(events.map(({ kv }) => kv.mod_revision)).toEqual([header?.revision]);
    }
  };
  await putAll();
  await member.kill();
  // The proxy has noticed when its streams are on the others. Reads are sent again.
  for (const { client } of watches) await client.call('etcdserverpb.KV/Range', { key });
  await sleep(500);
  await putAll();
  await member.restart();
  expect(await watchStreamsOf(member)).toBe(0);
  const untilMs = performance.now() + 90_000;
  while ((await watchStreamsOf(member)) < 2 && performance.now() < untilMs) {
    await putAll();
    await sleep(500);
  }
  expect(await watchStreamsOf(member)).toBeGreaterThanOrEqual(2);
  await putAll();
});
