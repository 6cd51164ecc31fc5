/** A watch hub for tests of layers, and the watch layer without sharing. */
import { systemRandom } from '../../src/runtime/random.ts';
import { Usage } from '../../src/tenant/usage.ts';
import { WatchHub } from '../../src/watch/hub/hub.ts';
import { HubStats, hubLimits } from '../../src/watch/hub/hub-context.ts';
import { type WatchLimits, watchLimits } from '../../src/watch/stream/watch-limits.ts';
import { watch } from '../../src/watch/watch.ts';
import { ManualClock } from './manual-clock.ts';

export function testHub(
  clock = new ManualClock(),
  holdMs = 20_000,
  ordersProgress = () => true,
): WatchHub {
  return new WatchHub({
    clock,
    random: systemRandom,
    defer: (work) => work(),
    limits: hubLimits,
    holdMs,
    stats: new HubStats(),
    ordersProgress,
    onFault: (error) => {
      throw error;
    },
  });
}

/** Every client stream has a stream to etcd of its own. */
export function unsharedWatch(limits: WatchLimits = watchLimits, total = new Usage()) {
  return watch({ limits, hub: testHub(), total, isShared: () => false });
}
