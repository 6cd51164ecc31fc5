/** A watch receives no event that its filters exclude, and no empty response that it did not ask for. */
import { eachWatch, type Invariant } from './invariant.ts';

export const filtered: Invariant = {
  name: 'filtered',
  check: (history, report) =>
    eachWatch(history, ({ events, notifications, create }, _stream, label) => {
      for (const { isDelete, revision } of events.flatMap((response) => response.events)) {
        if (isDelete ? create.noDelete : create.noPut) {
          report(`${label}: revision ${revision} is filtered`);
        }
      }
      if (notifications.length > 0 && !create.progressNotify) {
        report(`${label}: a progress notification that was not asked for`);
      }
    }),
};
