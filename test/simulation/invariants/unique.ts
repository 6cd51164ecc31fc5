/** No event is delivered twice to a watch. */
import { eachWatch, type Invariant } from './invariant.ts';

export const unique: Invariant = {
  name: 'unique',
  check: (history, report) =>
    eachWatch(history, (watch, _stream, label) => {
      const seen = new Set<string>();
      for (const { revision, key } of watch.events.flatMap(({ events }) => events)) {
        const event = `${revision} ${key}`;
        if (seen.has(event)) report(`${label}: revision ${revision} of "${key}" twice`);
        seen.add(event);
      }
    }),
};
