/**
 * What a conformance suite runs against. Every target offers the API to one client that has the key space for itself: a
 * real etcd, or the proxy in front of one. Expectations are the same for all of them; what differs on purpose is listed in
 * test/conformance/differences.ts and nowhere else.
 */
import type { LeaseIds } from '../../src/config/settings/namespace.ts';
import { type Etcd, type EtcdOptions, startEtcd } from './etcd.ts';
import { type SharedEtcd, startSharedEtcd } from './shared-etcd.ts';

export interface Target extends AsyncDisposable {
  /** Where the client connects to, `host:port`. */
  readonly address: string;
  /** The etcd at the bottom, to check what is really stored. */
  readonly etcd: Etcd;
  /** What stored keys begin with; empty on a direct etcd. */
  readonly namespace: Uint8Array;
}

export interface TargetKind {
  readonly name: string;
  /** What the proxy listens and dials with; null for an etcd without a proxy. */
  readonly transport: string | null;
  /** Whether clients have lease IDs of their own, and not those of the cluster. */
  readonly mapsLeases: boolean;
  start(options?: EtcdOptions): Promise<Target>;
}

const directEtcd: TargetKind = {
  name: 'etcd',
  transport: null,
  mapsLeases: false,
  async start(options) {
    const etcd = await startEtcd(options);
    return {
      address: etcd.address,
      etcd,
      namespace: new Uint8Array(0),
      [Symbol.asyncDispose]: () => etcd[Symbol.asyncDispose](),
    };
  },
};

/** Not ASCII on purpose: the prefix is the bytes of this text. */
const namespace = 'tenant-\u00ff/';

function proxyOn(transport: string, leaseIds: LeaseIds = 'namespaced'): TargetKind {
  const mapsLeases = leaseIds === 'namespaced';
  return {
    name: `the proxy on ${transport}${mapsLeases ? '' : ' with the lease IDs of the cluster'}`,
    transport,
    mapsLeases,
    async start(options = {}) {
      const shared = await startSharedEtcd({
        etcd: options,
        tenants: [{ name: 'tenant', namespace }],
        settings: { transport, 'lease-ids': leaseIds },
      });
      if (process.env['ETCD_BULKHEAD_CACHE_READS'] === 'true') await watchEverything(shared);
      return {
        address: shared.address('tenant'),
        etcd: shared.etcd,
        namespace: Buffer.from(namespace),
        [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
      };
    },
  };
}

/** Only a range that is watched is read from memory. Resolves when one is. */
async function watchEverything(shared: SharedEtcd): Promise<void> {
  const stream = shared.client('tenant').stream('etcdserverpb.Watch/Watch');
  stream.send({ create_request: { key: Buffer.from('\0'), range_end: Buffer.from('\0') } });
  await stream.next();
}

/** In the order in which they run: an expectation that etcd itself does not meet fails there first. */
export const targets: readonly TargetKind[] = [directEtcd, proxyOn('native'), proxyOn('grpc-js')];

/** For suites about leases. */
export const leaseTargets: readonly TargetKind[] = [...targets, proxyOn('native', 'cluster')];
