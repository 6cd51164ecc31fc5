/**
 * The previous version of a key is present exactly if the watch asked for it and it exists, and is not compacted for the tenant: a
 * watch that starts at the compaction floor does not see what was before it. It may be absent if the cluster had compacted it when
 * the event was delivered.
 */
import { eachWatch, type Invariant, storeEventOf } from './invariant.ts';

export const previousValues: Invariant = {
  name: 'previous values',
  check: (history, report) =>
    eachWatch(history, (watch, stream, label) => {
      const { startRevision, prevKv } = watch.create;
      const floor = startRevision === watch.request.moment.floor ? startRevision : 0;
      for (const { events, moment } of watch.events) {
        for (const event of events) {
          const at = `${label}: revision ${event.revision} of "${event.key}"`;
          const previous = storeEventOf(history, stream.tenant, event)?.previous ?? null;
          const isAbove = event.revision > floor;
          const isExpected = prevKv && isAbove && previous !== null && !previous.isDelete;
          if (event.previous === null) {
            const isCompacted = event.revision - 1 < moment.compacted;
            if (isExpected && !isCompacted) report(`${at} has no previous version`);
          } else if (!isExpected) report(`${at} has a previous version`);
          else if (
            event.previous.value !== previous.value ||
            event.previous.revision !== previous.revision
          ) {
            report(`${at} has the wrong previous version`);
          }
        }
      }
    }),
};
