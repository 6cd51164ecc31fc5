/** One way in which a cluster, its connections or the process in front of it can fail. */
import type { Cluster } from '../support/cluster.ts';
import type { Seeded } from '../support/seeded.ts';
import type { BulkheadOptions } from './bulkhead-path.ts';
import type { FaultLink } from './fault-link.ts';
import type { Load } from './load/load.ts';
import type { Path, PathName } from './path.ts';
import type { StoreHistory } from './store-history.ts';

/** What a fault can act on. The cell removes everything at its end. */
export interface World {
  readonly cluster: Cluster;
  /** One for each member, in their order, between the member and the clients or the proxy. */
  readonly links: readonly FaultLink[];
  readonly path: Path;
  readonly load: Load;
  readonly history: StoreHistory;
  readonly chance: Seeded;
  /** How long a fault lasts that has no duration of its own. */
  readonly lastsMs: number;
  /** For what a fault starts. */
  readonly owned: AsyncDisposableStack;
}

/** What a fault needs before the clients and the proxy start. */
export interface Preparation {
  readonly cluster: Cluster;
  readonly links: FaultLink[];
  readonly owned: AsyncDisposableStack;
}

/** How the proxy is started. */
export interface Prepared extends Pick<BulkheadOptions, 'settings' | 'environment'> {
  /** By default the links. */
  readonly endpoints?: readonly string[];
}

export interface Fault {
  readonly name: string;
  /** Where it can happen. */
  readonly paths: readonly PathName[];
  /** Why it cannot happen on the other paths. */
  readonly elsewhere?: string;
  /** Why etcd itself, of the release under test, may let leases expire, and with them locks. Null if it does not. */
  leasesLostByEtcd?(): string | null;
  /** Further flags of the members. */
  etcdArgs?(owned: AsyncDisposableStack): readonly string[];
  prepare?(preparation: Preparation): Promise<Prepared>;
  /** Resolves when the fault is over. */
  happen(world: World): Promise<void>;
}
