/** Every response to a read is what the store has at exactly the revision in its header, which is not in the future. */
import type { Invariant } from './invariant.ts';
import { eachResponse, intervalsOf, isExact } from './read-response.ts';

export const exactReads: Invariant = {
  name: 'exact reads',
  check: (history, report) =>
    eachResponse(history, (read, response, label) => {
      const { revision } = response;
      const intervals = intervalsOf(history, read).filter(({ last }) => revision <= last);
      if (intervals.length === 0) report(`${label}: revision ${revision} is in the future`);
      else if (!intervals.some(({ epoch }) => isExact(history, read, response, epoch))) {
        report(`${label}: not what the store has at revision ${revision}`);
      }
    }),
};
