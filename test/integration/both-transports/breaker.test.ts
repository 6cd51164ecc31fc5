/** Circuit breakers as clients meet them: a cluster that is gone, a tenant that notices it, and one that does not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reasonTrailer } from '../../../src/call/refusals.ts';
import { Code } from '../../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, refusal } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { startTestProxy, type TestProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');
const minCalls = 3;

let etcd: Etcd;
let proxy: TestProxy;
let red: GrpcClient;
let blue: GrpcClient;

beforeEach(async () => {
  etcd = await startEtcd();
  proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/' },
    ],
    settings: {
      'admin-addr': '127.0.0.1:0',
      hold: '100ms',
      'breaker-min-calls': minCalls,
      'breaker-open': '500ms',
      'breaker-open-max': '1s',
      'max-drain': '200ms',
    },
  });
  red = grpcClient(proxy.address('red'));
  blue = grpcClient(proxy.address('blue'));
});

afterEach(async () => {
  red?.[Symbol.dispose]();
  blue?.[Symbol.dispose]();
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

const put = (client: GrpcClient) => client.call('etcdserverpb.KV/Put', { key });
const get = (client: GrpcClient) => client.call('etcdserverpb.KV/Range', { key });

const reasonOf = (refused: Awaited<ReturnType<typeof refusal>>) =>
  refused.trailers.get(reasonTrailer)[0];

/** Lets puts fail until the breaker is open. Resolves with the status that clients receive from then on. */
async function openWrites(client: GrpcClient) {
  let last = await refusal(put(client));
  let calls = 1;
  await until('an open breaker', async () => {
    last = await refusal(put(client));
    calls += 1;
    return reasonOf(last) === 'breaker-open';
  });
  return { last, calls };
}

async function breakerStates(): Promise<string[]> {
  const answer = await fetch(`http://${proxy.adminAddress}/metrics`);
  const lines = (await answer.text()).split('\n');
  return lines.filter((line) => /^\w*breaker_state\{/.test(line));
}

describe('when etcd is gone', () => {
  test('after enough failures writes are answered at once, with a hint when to come again', async () => {
    await put(red);
    await etcd.kill();
    const { last, calls } = await openWrites(red);
    // The put that succeeded is one of the calls that have to be known before it opens.
    expect(calls).toBeGreaterThanOrEqual(minCalls);
    expect(last).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'etcd-bulkhead: the circuit breaker is open',
    });
    const pushbackMs = Number(last.trailers.get('grpc-retry-pushback-ms')[0]);
    expect(pushbackMs).toBeGreaterThan(0);
    expect(pushbackMs).toBeLessThanOrEqual(1_000);
    expect((await breakerStates()).filter((line) => line.includes('red'))).not.toEqual([]);
  });

  test('reads have a breaker of their own, and so has every tenant', async () => {
    await Promise.all([put(red), get(red), put(blue)]);
    await etcd.kill();
    await openWrites(red);
    // None of them has failed so far: they wait for a connection before they are refused.
    expect(reasonOf(await refusal(get(red)))).toBe('upstream-lost');
    expect(reasonOf(await refusal(put(blue)))).toBe('upstream-lost');
  });

  test('when it is back, the breaker closes by itself', async () => {
    await put(red);
    await etcd.kill();
    await openWrites(red);
    await etcd.restart();
    await until('service', () =>
      put(red).then(
        () => true,
        () => false,
      ),
    );
    // Closed: no more than one call was let through before.
    await Promise.all(Array.from({ length: 20 }, () => put(red)));
  });

  test('keepalives pass however open the breaker is', async () => {
    const lease = await red.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600 });
    await etcd.kill();
    // The breaker of leases: grants fail until it opens.
    const grant = () => refusal(red.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600 }));
    await until('an open breaker', async () => reasonOf(await grant()) === 'breaker-open');
    await etcd.restart();
    await until('a renewal', async () => {
      using stream = red.stream('etcdserverpb.Lease/LeaseKeepAlive');
      stream.send({ ID: lease.ID });
      try {
        return (await stream.next()).TTL === '600';
      } catch (error) {
        // Not connected again yet. What it never is: stopped by the breaker.
        const { trailers } = await stream.ended();
        expect(trailers.get(reasonTrailer)).not.toContain('breaker-open');
        expect((error as Error).message).toContain(
          'etcd-bulkhead: no connection to etcd, or it was lost',
        );
        return false;
      }
    });
  });
});
