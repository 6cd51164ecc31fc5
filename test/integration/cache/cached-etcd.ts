/** An etcd behind a proxy with `cache-reads`, on a connection that can be cut, and what a test reads through it. */
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { ordersProgress } from '../../support/etcd-release.ts';
import { Exposition } from '../../support/exposition.ts';
import type { RangeRequest } from '../../support/messages.ts';
import {
  startTestProxy,
  type TestProxy,
  type TestProxyOptions,
  type TestTenant,
} from '../../support/proxy.ts';
import { Relay } from '../../support/relay.ts';
import { until } from '../../support/until.ts';

export const bytes = (text: string) => Buffer.from(text, 'latin1');

/** All keys with a prefix, which must not end with 0xff. */
export function prefix(text: string): { key: Buffer; range_end: Buffer } {
  const end = bytes(text);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key: bytes(text), range_end: end };
}

export const everything = { key: bytes('\0'), range_end: bytes('\0') };

/**
 * Hits that a test with many reads right after writes expects at least. In front of a release without ordered progress a read waits
 * for a few milliseconds only, which are over on a busy machine.
 */
export const hitsMin = ordersProgress() ? 10 : 1;

export interface Listed {
  /** `key=value` of each key. */
  readonly keys: readonly string[];
  readonly revision: number;
}

export async function list(client: GrpcClient, request: RangeRequest): Promise<Listed> {
  const { kvs, header } = await client.call('etcdserverpb.KV/Range', request);
  return {
    keys: kvs.map(({ key, value }) => `${key.toString('latin1')}=${value.toString('latin1')}`),
    revision: Number(header?.revision),
  };
}

/** Returns the revision. */
export async function put(client: GrpcClient, key: string, value: string): Promise<number> {
  const request = { key: bytes(key), value: bytes(value) };
  return Number((await client.call('etcdserverpb.KV/Put', request)).header?.revision);
}

export interface CachedEtcdOptions {
  readonly tenants?: readonly TestTenant[];
  readonly settings?: TestProxyOptions['settings'];
}

export class CachedEtcd implements AsyncDisposable {
  readonly etcd: Etcd;
  readonly relay: Relay;
  readonly proxy: TestProxy;
  readonly #owned: AsyncDisposableStack;

  private constructor(etcd: Etcd, relay: Relay, proxy: TestProxy, owned: AsyncDisposableStack) {
    this.etcd = etcd;
    this.relay = relay;
    this.proxy = proxy;
    this.#owned = owned;
  }

  /** With one tenant, `game`, unless `tenants` are given. */
  static async start({ tenants, settings }: CachedEtcdOptions = {}): Promise<CachedEtcd> {
    await using started = new AsyncDisposableStack();
    const etcd = started.use(await startEtcd());
    const relay = started.use(await Relay.to(etcd.address));
    const proxy = started.use(
      await startTestProxy({
        endpoints: [relay.address],
        tenants: tenants ?? [{ name: 'game', namespace: 'game/' }],
        settings: {
          ...{ 'cache-reads': true, 'admin-addr': '127.0.0.1:0', 'max-drain': '200ms' },
          ...settings,
        },
      }),
    );
    return new CachedEtcd(etcd, relay, proxy, started.move());
  }

  client(tenant = 'game'): GrpcClient {
    return this.#owned.use(grpcClient(this.proxy.address(tenant)));
  }

  /** Of etcd itself, which sees what is stored. */
  direct(): GrpcClient {
    return this.#owned.use(grpcClient(this.etcd.address));
  }

  async metrics(): Promise<Exposition> {
    return new Exposition(await (await fetch(`http://${this.proxy.adminAddress}/metrics`)).text());
  }

  /** Reads from memory so far. */
  async hits(): Promise<number> {
    return (await this.metrics()).sum('etcd_bulkhead_cache_hits_total');
  }

  async misses(reason = ''): Promise<number> {
    const label = reason === '' ? '' : `reason="${reason}"`;
    return (await this.metrics()).sum('etcd_bulkhead_cache_misses_total', label);
  }

  async value(name: string): Promise<number> {
    return (await this.metrics()).value(`etcd_bulkhead_cache_${name}`) ?? 0;
  }

  /** Opens a watch of the range, and reads it until it is read from memory. */
  async warm(client: GrpcClient, range: { key: Buffer; range_end: Buffer }): Promise<void> {
    const stream = this.#owned.use(client.stream('etcdserverpb.Watch/Watch'));
    stream.send({ create_request: range });
    await stream.next();
    const before = await this.hits();
    await this.untilHit(client, range, before);
  }

  /** Reads the range until there are more hits than `before`. */
  untilHit(client: GrpcClient, range: RangeRequest, before: number): Promise<void> {
    return until('read from memory', async () => {
      await list(client, { ...range, serializable: true });
      return (await this.hits()) > before;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}
