/**
 * One etcd that several tenants share through the proxy, for tests of the effect of one tenant on another. Clients
 * that it returns are disposed of with it, before etcd.
 */
import { type GrpcClient, grpcClient } from './client.ts';
import { type Etcd, type EtcdOptions, startEtcd } from './etcd.ts';
import { startTestProxy, type TestProxyOptions } from './proxy.ts';

export interface SharedEtcdOptions extends Omit<TestProxyOptions, 'endpoints'> {
  readonly etcd?: EtcdOptions;
}

export interface SharedEtcd extends AsyncDisposable {
  readonly etcd: Etcd;
  /** Where the clients of a tenant connect, `host:port`. */
  address(tenant: string): string;
  /** Of a tenant. */
  client(tenant: string): GrpcClient;
  /** Of etcd itself, which sees what is stored. */
  directClient(): GrpcClient;
}

/** Rejects, with everything gone again, when etcd or the proxy does not start. */
export async function startSharedEtcd(options: SharedEtcdOptions): Promise<SharedEtcd> {
  const { etcd: etcdOptions, tenants, settings } = options;
  await using started = new AsyncDisposableStack();
  const etcd = started.use(await startEtcd(etcdOptions));
  const proxy = started.use(
    await startTestProxy({
      endpoints: [etcd.address],
      tenants,
      settings: { 'max-drain': '200ms', ...settings },
    }),
  );
  const owned = started.move();
  return {
    etcd,
    address: proxy.address,
    client: (tenant) => owned.use(grpcClient(proxy.address(tenant))),
    directClient: () => owned.use(grpcClient(etcd.address)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
