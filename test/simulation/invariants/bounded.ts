/** History is bounded per feed, per tenant and in the process: checked after every turn. */
import type { WatchHub } from '../../../src/watch/hub/hub.ts';
import type { HubLimits } from '../../../src/watch/hub/hub-context.ts';
import type { Report } from './invariant.ts';

export function checkBounded(hub: WatchHub, { history }: HubLimits, report: Report): void {
  const { stats } = hub;
  const { bytesMax, tenantBytesMax, processBytesMax } = history;
  if (stats.historyBytes > Math.min(stats.feeds * bytesMax, processBytesMax)) {
    report(`bounded: ${stats.historyBytes} bytes of history in ${stats.feeds} feeds`);
  }
  if (stats.historyBytes > tenantBytesMax) {
    for (const [tenant, bytes] of bytesByTenant(hub)) {
      if (bytes > tenantBytesMax) report(`bounded: ${bytes} bytes of history in tenant ${tenant}`);
    }
  }
  if (
    stats.historyBytes < 0 ||
    stats.feeds < 0 ||
    stats.watchers < 0 ||
    stats.laggingWatchers < 0
  ) {
    report(`bounded: negative counters, ${JSON.stringify(stats)}`);
  }
}

function bytesByTenant(hub: WatchHub): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>();
  for (const { tenant, historyBytes } of hub.snapshot()) {
    bytes.set(tenant, (bytes.get(tenant) ?? 0) + historyBytes);
  }
  return bytes;
}
