/** Events of a watch are in the order of their revisions, and within one revision in the order of the transaction. */
import { eachWatch, type Invariant, storeEventOf } from './invariant.ts';

export const ordered: Invariant = {
  name: 'ordered',
  check: (history, report) =>
    eachWatch(history, (watch, stream, label) => {
      let revision = 0;
      let index = -1;
      for (const event of watch.events.flatMap(({ events }) => events)) {
        const stored = storeEventOf(history, stream.tenant, event);
        const at = stored?.index ?? 0;
        if (event.revision < revision || (event.revision === revision && at < index)) {
          report(`${label}: revision ${event.revision} after ${revision}`);
        }
        revision = event.revision;
        index = at;
      }
    }),
};
