/** What the code under test is configured with in a scenario. */
import { keySpace } from '../../src/etcd/key-space.ts';
import { TenantState } from '../../src/tenant/state.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import { type HubLimits, hubLimits } from '../../src/watch/hub/hub-context.ts';
import type { Seeded } from '../support/seeded.ts';

export function tenantNamed(name: string): Tenant {
  return {
    name,
    keySpace: keySpace(Buffer.from(`${name}/`)),
    state: new TenantState(name),
    access: 'read-write',
    sharesWatches: true,
    cachesReads: false,
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
