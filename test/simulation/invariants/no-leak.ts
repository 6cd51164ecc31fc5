/** Nothing is left after all clients have disconnected and the linger time has passed. */
import type { Usage } from '../../../src/tenant/usage.ts';
import type { WatchHub } from '../../../src/watch/hub/hub.ts';
import type { SimulatedClock } from '../simulated-time.ts';
import type { Upstream } from '../upstream.ts';
import type { Report } from './invariant.ts';

export function checkNoLeak(
  hub: WatchHub,
  total: Usage,
  upstream: Upstream,
  clock: SimulatedClock,
  report: Report,
): void {
  const { feeds, watchers, historyBytes, laggingWatchers } = hub.stats;
  const left = Object.entries({
    feeds,
    watchers,
    'watches counted by limits': total.openWatches,
    historyBytes,
    laggingWatchers,
    'listed feeds': hub.snapshot().length,
    'upstream streams': upstream.openStreams,
    timers: clock.pending,
  }).filter(([, count]) => count !== 0);
  if (left.length > 0) {
    report(`no leak: left are ${left.map(([what, count]) => `${count} ${what}`).join(', ')}`);
  }
}
