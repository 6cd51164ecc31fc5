/** Leases that are renewed at intervals through a proxy. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from './client.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions } from './proxy.ts';

export const keepAliveMethod = 'etcdserverpb.Lease/LeaseKeepAlive';

/** Its tenant is `game`, and it has an admin address. */
export function startProxyTo(
  endpoints: readonly string[],
  settings: TestProxyOptions['settings'] = {},
): Promise<TestProxy> {
  return startTestProxy({
    endpoints,
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'admin-addr': '127.0.0.1:0', ...settings },
  });
}

export async function grant(client: GrpcClient, TTL: number): Promise<string> {
  return (await client.call('etcdserverpb.Lease/LeaseGrant', { TTL })).ID;
}

/** A lease with a stream of its own, which renews it at intervals until it is stopped. */
class Renewing {
  renewals = 0;
  /** The first thing that went wrong: a renewal with TTL 0, or the end of the stream. */
  failure: string | null = null;
  #isStopped = false;
  readonly #ended: Promise<void>;

  constructor(client: GrpcClient, ID: string, everyMs: number) {
    this.#ended = this.#run(client, ID, everyMs);
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#ended;
  }

  async #run(client: GrpcClient, ID: string, everyMs: number): Promise<void> {
    using stream = client.stream(keepAliveMethod, { metadata: { hasleader: 'true' } });
    try {
      while (!this.#isStopped) {
        stream.send({ ID });
        const { TTL } = await stream.next(30_000);
        if (TTL === '0') throw new Error('the lease has expired');
        this.renewals += 1;
        await sleep(everyMs);
      }
    } catch (error) {
      this.failure = String(error);
    }
  }
}

export async function startRenewing(
  clients: readonly GrpcClient[],
  count: number,
  TTL: number,
  everyMs: number,
): Promise<Renewing[]> {
  const renewing: Renewing[] = [];
  for (let i = 0; i < count; i += 1) {
    const client = clients[i % clients.length];
    if (client === undefined) throw new Error('no client');
    renewing.push(new Renewing(client, await grant(client, TTL), everyMs));
  }
  return renewing;
}

export async function stopAll(renewing: readonly Renewing[]): Promise<readonly (string | null)[]> {
  await Promise.all(renewing.map((each) => each.stop()));
  return [...new Set(renewing.map(({ failure }) => failure))];
}
