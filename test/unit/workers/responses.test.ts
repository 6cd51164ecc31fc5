/** What the primary process makes of the responses of its workers. */
import { expect, test } from 'vitest';
import { responsesOf } from '../../../src/workers/responses.ts';

class Process {
  isServing = true;
  hasEnded = false;
}

test('workers that do not respond in time, or are not running, are missing', async () => {
  const [first, second] = [new Process(), new Process()];
  const slots = [
    { worker: 1, process: first },
    { worker: 2, process: second },
    { worker: 3, process: null },
    { worker: 4, process: Object.assign(new Process(), { isServing: false }) },
  ];
  const responses = await responsesOf(slots, async (process) => (process === first ? 7 : null));
  expect(responses).toEqual([{ worker: 1, value: 7 }]);
});

test('a worker that ends while another one is slow is left out: its counts are kept elsewhere', async () => {
  const [ending, slow] = [new Process(), new Process()];
  const { promise, resolve } = Promise.withResolvers<number>();
  const responses = responsesOf(
    [
      { worker: 1, process: ending },
      { worker: 2, process: slow },
    ],
    (process) => (process === ending ? Promise.resolve(1) : promise),
  );
  await new Promise((done) => setImmediate(done));
  ending.hasEnded = true;
  resolve(2);
  expect(await responses).toEqual([{ worker: 2, value: 2 }]);
});
