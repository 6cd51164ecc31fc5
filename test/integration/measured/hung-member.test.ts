/** One of three members hangs: its connections stay open, and nothing comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grpcClient, Refused } from '../../support/client.ts';
import { startCluster } from '../../support/cluster.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { ResumingWatch } from '../../support/resuming-watch.ts';

const forMs = 20_000;
const putEveryMs = 100;
/** Deadline of the client's calls. */
const timeoutMs = 2_000;
/** The keepalive interval and timeout of the proxy's connections, and the time until a client has resumed. */
const silentMsMax = 10_000 + 5_000 + 500;

test('calls fail only until the member is noticed, and watches continue within the keepalive time', async () => {
  await using cluster = await startCluster(3);
  const leader = await cluster.leader();
  const hanging = cluster.members.find((member) => member !== leader);
  // A watch at etcd for each client, so that one of three is open at the member that hangs.
  await using proxy = await startTestProxy({
    endpoints: cluster.members.map(({ address }) => address),
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'share-watches': false },
  });
  using client = grpcClient(proxy.address('game'));
  const watches = [1, 2, 3].map(() => new ResumingWatch(client, 1));
  const put = (i: number) => ({ key: Buffer.from(`${i}`), value: Buffer.from(`${i}`) });
  await client.call('etcdserverpb.KV/Put', put(-1));
  await sleep(500);

  hanging?.pause();
  const failures: string[] = [];
  const pending: Promise<unknown>[] = [];
  const lastSeenMs = watches.map(() => performance.now());
  const silenceMs = watches.map(() => 0);
  const seen = watches.map(() => 0);
  const beganMs = performance.now();
  for (let i = 0; performance.now() - beganMs < forMs; i++) {
    const call = client.call('etcdserverpb.KV/Put', put(i), { timeoutMs });
    pending.push(
      call.catch((error: unknown) => failures.push(error instanceof Refused ? error.details : '')),
    );
    await sleep(putEveryMs);
    for (const [at, { events }] of watches.entries()) {
      const nowMs = performance.now();
      silenceMs[at] = Math.max(silenceMs[at] ?? 0, nowMs - (lastSeenMs[at] ?? 0));
      if (events.length > (seen[at] ?? 0)) lastSeenMs[at] = nowMs;
      seen[at] = events.length;
    }
  }
  await Promise.all(pending);
  hanging?.resume();
  await Promise.all(watches.map((watch) => watch[Symbol.asyncDispose]()));

  const figures = `${failures.length} of ${pending.length} puts failed; watches were silent for ${silenceMs.map(Math.round)} ms`;
  expect(failures.length, figures).toBeLessThanOrEqual(7);
  expect(Math.max(...silenceMs), figures).toBeLessThanOrEqual(silentMsMax);
  // All three have the same events in the end, each once.
  expect(new Set(watches.map(({ events }) => events.join())).size).toBe(1);
});
