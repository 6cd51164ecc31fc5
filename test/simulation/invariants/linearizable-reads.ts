/**
 * A linearizable read returns a state that was the current one at a moment between its arrival and its response. After the
 * store was restored from an older state, a read that arrives returns nothing of the state that was lost.
 */
import type { Invariant } from './invariant.ts';
import { eachResponse, intervalsOf, isExact } from './read-response.ts';

export const linearizableReads: Invariant = {
  name: 'linearizable reads',
  check: (history, report) =>
    eachResponse(history, (read, response, label) => {
      if (read.read.isSerializable) return;
      const { revision } = response;
      const intervals = intervalsOf(history, read);
      const isCurrent = intervals.some(
        ({ epoch, first, last }) =>
          first <= revision && revision <= last && isExact(history, read, response, epoch),
      );
      if (!isCurrent) report(`${label}: revision ${revision}, ${JSON.stringify(intervals)}`);
    }),
};
