/** History is bounded: checked after every turn. */
import type { HubLimits, HubStats } from '../../../src/watch/hub/hub-context.ts';
import type { Report } from './invariant.ts';

export function checkBounded(stats: HubStats, limits: HubLimits, report: Report): void {
  const bytesMax = stats.feeds * limits.history.bytesMax;
  if (stats.historyBytes > bytesMax) {
    report(`bounded: ${stats.historyBytes} bytes of history in ${stats.feeds} feeds`);
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
