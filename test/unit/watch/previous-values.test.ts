import { expect, test } from 'vitest';
import { withoutPreviousBelow } from '../../../src/watch/stream/previous-values.ts';
import { slowMessage as message } from '../../support/slow-rewriter.ts';

const kv = (revision: number) => message([1, 'k'], [3, BigInt(revision)], [5, 'v']);
const event = (revision: number, previous: number | null) =>
  previous === null ? message([2, kv(revision)]) : message([2, kv(revision)], [3, kv(previous)]);

test('events up to the floor lose their previous values, and all other fields stay', () => {
  const header = message([3, 9n]);
  const response = (...events: readonly Uint8Array[]) =>
    message([1, header], [2, 5n], ...events.map((each) => [11, each] as const));
  const received = response(event(6, 5), event(7, 6), event(8, 7));
  expect(withoutPreviousBelow(received, 7)).toEqual(
    response(event(6, null), event(7, null), event(8, 7)),
  );
});

test('events above the floor are the same bytes', () => {
  const events = message([11, event(8, 7)], [11, event(9, 8)]);
  expect(withoutPreviousBelow(events, 7)).toBe(events);
});
