/**
 * etcd's Range on the model of the store: what a read returns at a revision. It serves the reads at the simulated members, and
 * is what every response is compared with.
 */
import { Writer } from '../../src/protobuf/writer.ts';
import { type ReadSpec, sortOrders, sortTargets } from './read-spec.ts';
import { contains, keyValue, type StoreEvent } from './store.ts';

/** The RangeResponse without its header. `events` are those of the tenant, oldest first. */
export function rangeAt(
  events: readonly StoreEvent[],
  read: ReadSpec,
  revision: number,
): Uint8Array {
  const keys = keysAt(events, revision).filter(({ key }) => contains(read, key));
  // Without an order and bounds etcd reads no more keys than it needs to know that there are more, whatever the sort target is.
  const isCut = read.limit > 0 && read.sortOrder === sortOrders.none && !hasBounds(read);
  const candidates = isCut ? keys.slice(0, read.limit + 1) : keys;
  const found = read.countOnly
    ? []
    : ordered(
        candidates.filter((key) => isWithin(key, read)),
        read,
      );
  const hasMore = read.limit > 0 && found.length > read.limit;
  const writer = new Writer();
  for (const key of hasMore ? found.slice(0, read.limit) : found) {
    writer.message(2, keyValue(read.keysOnly ? { ...key, value: '' } : key));
  }
  return writer.bool(3, hasMore).varint(4, keys.length).finish();
}

/** The newest event of each key that exists at `revision`, in the order of the keys. */
function keysAt(events: readonly StoreEvent[], revision: number): readonly StoreEvent[] {
  const newest = new Map<string, StoreEvent>();
  for (const event of events) {
    if (event.revision > revision) break;
    newest.set(event.key, event);
  }
  const existing = [...newest.values()].filter(({ isDelete }) => !isDelete);
  return existing.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function hasBounds(read: ReadSpec): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = read;
  return minModRevision + maxModRevision + minCreateRevision + maxCreateRevision > 0;
}

function isWithin({ revision, createRevision }: StoreEvent, read: ReadSpec): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = read;
  if (minModRevision > 0 && revision < minModRevision) return false;
  if (maxModRevision > 0 && revision > maxModRevision) return false;
  if (minCreateRevision > 0 && createRevision < minCreateRevision) return false;
  return maxCreateRevision === 0 || createRevision <= maxCreateRevision;
}

/**
 * etcd does not define the order of keys whose sort values are equal. Here it is the reverse of the order of the keys, which a
 * cache could only have by chance.
 */
function ordered(keys: readonly StoreEvent[], { sortOrder, sortTarget }: ReadSpec): StoreEvent[] {
  const isDescending = sortOrder === sortOrders.descend;
  if (sortTarget === sortTargets.key) return isDescending ? keys.toReversed() : [...keys];
  const sign = isDescending ? -1 : 1;
  return keys.toReversed().sort((a, b) => {
    const [left, right] = [sortValue(a, sortTarget), sortValue(b, sortTarget)];
    if (left === right) return 0;
    return left < right ? -sign : sign;
  });
}

function sortValue(event: StoreEvent, target: number): number | string {
  if (target === sortTargets.version) return event.version;
  if (target === sortTargets.create) return event.createRevision;
  if (target === sortTargets.mod) return event.revision;
  return event.value;
}
