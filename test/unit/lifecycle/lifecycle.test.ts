import { expect, test } from 'vitest';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';

test('phases follow each other and never repeat', () => {
  const lifecycle = new Lifecycle();
  const seen: string[] = [];
  const unsubscribe = lifecycle.onChange((phase) => seen.push(phase));
  expect([lifecycle.isStarted, lifecycle.isReady]).toEqual([false, false]);
  lifecycle.move('serving');
  expect([lifecycle.isStarted, lifecycle.isReady]).toEqual([true, true]);
  lifecycle.move('draining');
  lifecycle.move('draining');
  lifecycle.move('serving');
  expect([lifecycle.isStarted, lifecycle.isReady]).toEqual([true, false]);
  unsubscribe();
  lifecycle.move('stopping');
  expect(seen).toEqual(['serving', 'draining']);
});
