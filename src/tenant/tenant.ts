/**
 * What the layers need to know of a tenant. Built once from the configuration by tenant/; a call keeps the object it
 * began with, also across a reload.
 */
import type { Access } from '../config/sections/tenants.ts';
import type { KeySpace } from '../etcd/key-space.ts';
import type { MethodName } from '../etcd/methods.ts';

export interface Tenant {
  /** For logs and metric labels; never part of a key. */
  readonly name: string;
  readonly keySpace: KeySpace;
  readonly floor: CompactionFloor;
  readonly access: Access;
  /**
   * Methods of the whole cluster that this tenant may call, as they are, because it owns the cluster: some of
   * `ownerMethods` in methods.ts. Empty for every other tenant.
   */
  readonly owns: ReadonlySet<MethodName>;
}

/**
 * How far back the tenant may still read. Compaction by a tenant is virtual: it moves this floor, held in the process
 * and never written anywhere. It only ever rises.
 */
export class CompactionFloor {
  /** 0: nothing was compacted. Reads at `revision` itself are still allowed, as in etcd. */
  revision = 0;
  /** Bytes of the ResponseHeader that came with the newest compaction, for answers made here. */
  header: Uint8Array = new Uint8Array(0);

  raise(revision: number, header: Uint8Array): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    this.header = Uint8Array.from(header);
  }
}
