/** What an invariant reads, and what the invariants share. */
import type { CacheLimits } from '../../../src/cache/cache-context.ts';
import type { ObservedResponse, ObservedStream, ObservedWatch } from '../observation.ts';
import type { ObservedRead, ObservedWrite } from '../observed-call.ts';
import { contains, type Store, type StoreEvent } from '../store.ts';
import type { DecodedEvent } from '../wire.ts';

export interface History {
  readonly store: Store;
  readonly streams: readonly ObservedStream[];
  readonly reads: readonly ObservedRead[];
  readonly writes: readonly ObservedWrite[];
  readonly cacheLimits: CacheLimits;
  /** Turns in which a read of the current revision failed. */
  readonly failedFences: readonly number[];
  /** Every member sends progress responses in order with events. */
  readonly isOrdered: boolean;
  /** Some member accepts negative start revisions. */
  readonly acceptsNegative: boolean;
}

/** Reports a violation of the invariant. */
export type Report = (what: string) => void;

export interface Invariant {
  readonly name: string;
  readonly check: (history: History, report: Report) => void;
}

/** Calls `check` for each watch that was created. */
export function eachWatch(
  { streams }: History,
  check: (watch: ObservedWatch, stream: ObservedStream, label: string) => void,
): void {
  for (const stream of streams) {
    for (const [i, watch] of stream.watches.entries()) {
      if (watch.created === null || watch.created.isCanceled) continue;
      check(watch, stream, `${stream.name}, watch ${i} (ID ${watch.created.watchId})`);
    }
  }
}

const expected = new WeakMap<ObservedWatch, readonly StoreEvent[]>();

/** All events of the store that the watch is entitled to, oldest first. */
export function expectedEvents(
  { store }: History,
  watch: ObservedWatch,
  { tenant }: ObservedStream,
): readonly StoreEvent[] {
  const known = expected.get(watch);
  if (known !== undefined) return known;
  const { create, firstRevision } = watch;
  const events = store
    .eventsOf(tenant)
    .filter(
      (event) =>
        event.revision >= firstRevision &&
        contains(create, event.key) &&
        !(event.isDelete ? create.noDelete : create.noPut),
    );
  expected.set(watch, events);
  return events;
}

/** How many of `events`, which are in order, have at most this revision. */
export function countUpTo(events: readonly StoreEvent[], revision: number): number {
  let count = events.length;
  while (count > 0 && (events[count - 1] as StoreEvent).revision > revision) count -= 1;
  return count;
}

/** The event of the store that was delivered, null if there is none. */
export function storeEventOf(
  { store }: History,
  tenant: string,
  { revision, key }: DecodedEvent,
): StoreEvent | null {
  for (const event of store.eventsOf(tenant)) {
    if (event.revision === revision && event.key === key) return event;
  }
  return null;
}

/** The events of a watch in whole responses: the fragments of a response are joined. */
export function wholeResponses(watch: ObservedWatch): readonly (readonly ObservedResponse[])[] {
  const whole: ObservedResponse[][] = [];
  let pieces: ObservedResponse[] = [];
  for (const response of watch.events) {
    pieces.push(response);
    if (response.isFragment) continue;
    whole.push(pieces);
    pieces = [];
  }
  if (pieces.length > 0) whole.push(pieces);
  return whole;
}

/** Events of the watch that were delivered before the response with this index. */
export function deliveredBefore(watch: ObservedWatch, index: number): number {
  let count = 0;
  for (const response of watch.events) if (response.index < index) count += response.events.length;
  return count;
}

/** The newest event of the watch before the response with this index, 0 if there is none. */
export function newestBefore(watch: ObservedWatch, index: number): number {
  let newest = 0;
  for (const { events, index: at } of watch.events) {
    if (at < index) newest = events.at(-1)?.revision ?? newest;
  }
  return newest;
}
