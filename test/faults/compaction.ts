/** Compactions that no watch may notice: of what the history and every watcher have already. */
import { grpcClient } from '../support/client.ts';
import { until } from '../support/until.ts';
import type { World } from './fault.ts';

/** Watchers may be this far behind. */
const behindMax = 50;

/** `address` is the one of a member that serves. */
export async function compact({ load, history }: World, address: string): Promise<void> {
  await history.readFrom(address);
  const { position } = history;
  const seenByAll = () => Math.min(...load.watchers.map(({ nextRevision }) => nextRevision - 1));
  await until('events at all watchers', () => seenByAll() >= position - behindMax).catch(() => {});
  using client = grpcClient(address);
  const request = { revision: Math.min(position, seenByAll()), physical: true };
  await client.call('etcdserverpb.KV/Compact', request);
}
