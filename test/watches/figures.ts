/** What happened to the watches of a run, in numbers. They show that it was a run of the kind that was asked for. */
import type { ServedProxy } from '../support/served-proxy.ts';
import type { TenantWatches } from './tenant-watches.ts';

export type Figures = Readonly<Record<string, number>>;

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);

export function watchFigures(watches: readonly TenantWatches[]): Figures {
  const pairs = watches.flatMap((each) => each.pairs);
  const streams = watches.flatMap((each) => each.streams);
  const through = pairs.map((pair) => pair.through);
  const direct = pairs.map((pair) => pair.direct);
  const isCompacted = ({ state }: { readonly state: string }) => state === 'compacted';
  return {
    watches: through.length,
    'open to the end': through.filter(({ state }) => state === 'open').length,
    events: sum(through.map(({ received }) => received.length)),
    'compactions by tenants': sum(watches.map(({ compactions }) => compactions.count)),
    compacted: through.filter(isCompacted).length,
    'compacted, directly not': pairs.filter(
      (pair) => isCompacted(pair.through) && !isCompacted(pair.direct),
    ).length,
    'compacted late': through.filter(({ isCancelledLate }) => isCancelledLate).length,
    'compacted directly': direct.filter(isCompacted).length,
    'resumed watches': through.filter(({ losses }) => losses > 0).length,
    notifications: sum(through.map(({ notifications }) => notifications)),
    'progress responses': sum(streams.map(({ progressResponses }) => progressResponses)),
  };
}

export async function proxyFigures(proxy: ServedProxy): Promise<Figures> {
  const metrics = await proxy.metrics();
  const joins = (kind: string) => metrics.sum('etcd_bulkhead_watch_joins_total', `kind="${kind}"`);
  return {
    'joins now': joins('now'),
    'joins from history': joins('history'),
    'joins by a private watch': joins('private'),
    feeds: metrics.sum('etcd_bulkhead_watch_feeds'),
  };
}
