/** A watch receives only events of its tenant, and only of keys in its range. */
import { contains } from '../store.ts';
import { eachWatch, type Invariant } from './invariant.ts';

export const isolated: Invariant = {
  name: 'isolated',
  check: (history, report) =>
    eachWatch(history, (watch, { tenant }, label) => {
      for (const event of watch.events.flatMap(({ events }) => events)) {
        const values = [event.value, event.previous?.value ?? ''];
        if (values.some((value) => value !== '' && !value.startsWith(`${tenant}:`))) {
          report(`${label}: an event of another tenant, revision ${event.revision}`);
        }
        if (!contains(watch.create, event.key)) report(`${label}: "${event.key}" is out of range`);
      }
    }),
};
