/** A tenant as the layers see it. A call keeps the object it began with, also across a reload. */
import type { Access } from '../config/sections/tenants.ts';
import type { KeySpace } from '../etcd/key-space.ts';
import type { MethodName } from '../etcd/methods.ts';
import type { TenantState } from './state.ts';

export interface Tenant {
  /** For logs and metric labels; never part of a key. */
  readonly name: string;
  readonly keySpace: KeySpace;
  readonly state: TenantState;
  /** `read-only` rejects every write, also one inside a transaction, with etcd's own PermissionDenied. */
  readonly access: Access;
  /** Whether watches on one range share one watch at etcd. */
  readonly sharesWatches: boolean;
  /** Whether reads of a range that is watched are served from memory. */
  readonly cachesReads: boolean;
  /**
   * Methods on the whole cluster that this tenant may call unchanged, because it owns the cluster. A subset of `ownerMethods`
   * in etcd/methods.ts, empty for every other tenant.
   */
  readonly owns: ReadonlySet<MethodName>;
}
