/** What the code under test is configured with in a scenario. */
import { type CacheLimits, cacheLimits } from '../../src/cache/cache-context.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { TenantState } from '../../src/tenant/state.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import { type HubLimits, hubLimits } from '../../src/watch/hub/hub-context.ts';
import type { Seeded } from '../support/seeded.ts';

export function tenantNamed(name: string, cachesReads: boolean): Tenant {
  return {
    name,
    keySpace: keySpace(Buffer.from(`${name}/`)),
    state: new TenantState(name),
    access: 'read-write',
    sharesWatches: true,
    cachesReads,
    owns: new Set(),
  };
}

export function drawLimits(random: Seeded): HubLimits {
  return {
    ...hubLimits,
    history: {
      bytesMax: random.pick([100, 1_000, 5_000, 2 << 20]),
      batchesMax: random.pick([1, 3, 20, 4_096]),
      tenantBytesMax: random.pick([500, 3_000, 8_000, 16 << 20]),
      processBytesMax: random.pick([500, 5_000, 10_000, 32 << 20]),
    },
    excerptBytes: random.pick([1, 200, 256 << 10]),
    lingerMs: random.pick([0, 50, 500, 10_000]),
    backoffMsMax: random.pick([50, 400]),
    joinTimeoutMs: random.pick([500, 10_000]),
    backlogRevisionsMax: random.pick([1, 4, 1_000]),
    watchesPerStreamMax: random.pick([1, 2, 512]),
  };
}

export function drawCacheLimits(random: Seeded): CacheLimits {
  const few = [1, 2, 3] as const;
  return {
    ...cacheLimits,
    rangeBytesMax: random.pick([1_000, 3_500, 16 << 20, 16 << 20]),
    tenantBytesMax: random.pick([2_500, 7_000, 32 << 20, 32 << 20]),
    processBytesMax: random.pick([2_500, 9_000, 64 << 20, 64 << 20]),
    responseBytesMax: random.pick([500, 64 << 20, 64 << 20, 64 << 20, 64 << 20]),
    waitMsMax: random.pick([20, 200, 1_000]),
    unorderedWaitMsMax: random.pick([20, 300]),
    unorderedQuietMs: random.pick([20, 1_000]),
    demandMs: random.pick([50, 10_000, 10_000]),
    idleMs: random.pick([100, 1_000, 60_000]),
    fullMs: random.pick([0, 100, 60_000]),
    retryMs: random.pick([0, 50, 1_000]),
    loadTimeoutMs: random.pick([100, 10_000]),
    firstPageKeys: random.pick([...few, 256]),
    pageKeysMax: random.pick([...few, 10_000]),
    progressRetryMsMin: random.pick([1, 5]),
    progressRetryMs: random.pick([10, 100]),
    rangesMax: random.pick([1, 64, 64]),
    permissionMs: random.pick([50, 2_000]),
  };
}
