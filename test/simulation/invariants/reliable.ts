/**
 * Every event of the range from the start revision on is delivered, as the store has it, without a gap. A watch that is open
 * once everything is quiet has all of them, and every create has a response.
 */
import { eachWatch, expectedEvents, type Invariant, storeEventOf } from './invariant.ts';

export const reliable: Invariant = {
  name: 'reliable',
  check: (history, report) => {
    for (const stream of history.streams) {
      if (stream.isOpen && stream.creating.length > 0) {
        report(`${stream.name}: ${stream.creating.length} creates without a response`);
      }
    }
    eachWatch(history, (watch, stream, label) => {
      const expected = expectedEvents(history, watch, stream);
      const delivered = watch.events.flatMap(({ events }) => events);
      for (const [i, event] of delivered.entries()) {
        const next = expected[i];
        if (next?.revision !== event.revision || next.key !== event.key) {
          const missing = next === undefined ? 'none' : `${next.revision} of "${next.key}"`;
          report(`${label}: revision ${event.revision} of "${event.key}" in place of ${missing}`);
          return;
        }
        const stored = storeEventOf(history, stream.tenant, event);
        if (stored?.isDelete !== event.isDelete || stored.value !== event.value) {
          report(`${label}: revision ${event.revision} of "${event.key}" is not what was stored`);
        }
      }
      if (watch.end !== 'open' || !stream.isOpen || delivered.length === expected.length) return;
      const next = expected[delivered.length];
      report(`${label}: never received revision ${next?.revision} of "${next?.key}"`);
    });
  },
};
