/** The line of progress on a terminal. */
import { expect, test } from 'vitest';
import { formatBytes, Progress, progressLine } from '../../../../src/cli/transfer/progress.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('the line has the share, the keys, the bytes and the speed', () => {
  expect(progressLine('export', 250, 1000, 3 << 20, 2)).toBe(
    'export [######..................] 25%  250 of 1000 keys  3.0 MiB  125 keys/s',
  );
  expect(progressLine('export', 0, 0, 0, 0)).toContain('100%');
});

test('it is drawn at most ten times a second, and removed at the end', () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const progress = new Progress('import', 10, (text) => lines.push(text), clock);
  progress.add(1, 10);
  progress.add(1, 10);
  expect(lines).toHaveLength(1);
  clock.advance(100);
  progress.add(10, 10);
  expect(lines[1]).toContain('12 of 12 keys');
  progress.clear();
  expect(lines[2]).toBe('\r\x1b[K');
});

test('without a terminal nothing is printed', () => {
  const progress = new Progress('import', 10, null, new ManualClock());
  progress.add(1, 10);
  progress.clear();
});

test('sizes have a unit', () => {
  expect([5, 2048, 3 << 20, 5 * 2 ** 30].map(formatBytes)).toEqual([
    '5 B',
    '2.0 KiB',
    '3.0 MiB',
    '5.00 GiB',
  ]);
});
