import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HashingGate } from '../../../src/identity/hashing-gate.ts';

function peer() {
  return { listener: 'l', remote: '', certificate: null };
}

/** Hashes that the test completes. */
function hashes() {
  const running: ((value: string) => void)[] = [];
  const hash = () => new Promise<string>((resolve) => running.push(resolve));
  return { running, hash };
}

test('hashes run up to the limit, and the others in order', async () => {
  const gate = new HashingGate({ runningMax: 2, waitingMax: 10, perConnectionMax: 10 });
  const { running, hash } = hashes();
  const client = peer();
  const results = [1, 2, 3, 4].map(() => gate.run(client, hash));
  expect(running).toHaveLength(2);
  running.shift()?.('first');
  expect(await results[0]).toBe('first');
  await turn();
  expect(running).toHaveLength(2);
  for (const end of running.splice(0)) end('x');
  await turn();
  for (const end of running.splice(0)) end('last');
  expect(await results[3]).toBe('last');
  // All have ended, so two can run again.
  void gate.run(client, hash);
  void gate.run(client, hash);
  expect(running).toHaveLength(2);
});

test('a full queue rejects hashes, and one connection cannot fill it', async () => {
  const gate = new HashingGate({ runningMax: 1, waitingMax: 2, perConnectionMax: 2 });
  const { running, hash } = hashes();
  const [greedy, other, third] = [peer(), peer(), peer()];
  expect([1, 2, 3].map(() => gate.run(greedy, hash) === null)).toEqual([false, false, true]);
  expect(gate.run(other, hash)).not.toBeNull();
  expect(gate.run(third, hash)).toBeNull();
  running.shift()?.('x');
  await turn();
  expect(gate.run(greedy, hash)).not.toBeNull();
});

test('a hash that fails frees its place', async () => {
  const gate = new HashingGate({ runningMax: 1, waitingMax: 1, perConnectionMax: 5 });
  const client = peer();
  const failing = gate.run(client, () => Promise.reject(new Error('no memory')));
  await expect(failing).rejects.toThrow('no memory');
  expect(await gate.run(client, () => Promise.resolve('x'))).toBe('x');
});
