import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HashingGate } from '../../../src/identity/hashing-gate.ts';

function peer(remote = '') {
  return { listener: 'l', remote, certificate: null };
}

/** Whether a hash was rejected by now. */
async function isRejected(result: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([result, turn('pending')])) === null;
}

/** Hashes that the test completes. */
function hashes() {
  const running: ((value: string) => void)[] = [];
  const hash = () => new Promise<string>((resolve) => running.push(resolve));
  return { running, hash };
}

test('hashes run up to the limit, and the others in order', async () => {
  const gate = new HashingGate({
    runningMax: 2,
    waitingMax: 10,
    perConnectionMax: 10,
    perAddressMax: 10,
  });
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
  const bounds = { runningMax: 1, waitingMax: 2, perConnectionMax: 2, perAddressMax: 2 };
  const gate = new HashingGate(bounds);
  const { running, hash } = hashes();
  const [greedy, other, third] = [peer(), peer(), peer()];
  const ofGreedy = [1, 2, 3].map(() => gate.run(greedy, hash));
  expect(await Promise.all(ofGreedy.map(isRejected))).toEqual([false, false, true]);
  expect(await isRejected(gate.run(other, hash))).toBe(false);
  expect(await isRejected(gate.run(third, hash))).toBe(true);
  running.shift()?.('x');
  await turn();
  expect(await isRejected(gate.run(greedy, hash))).toBe(false);
});

/** Many connections of one address with all hashes that each may have. */
function flood(gate: HashingGate, hash: () => Promise<string>, connections = 100) {
  return Array.from({ length: connections }, (_, index) => {
    const client = peer(`10.0.0.1:${index}`);
    return Array.from({ length: 4 }, () => gate.run(client, hash));
  }).flat();
}

test('a flood from one address neither rejects nor delays a client of another address', async () => {
  const gate = new HashingGate();
  const { running, hash } = hashes();
  const flooding = flood(gate, hash);
  const honest = gate.run(peer('10.0.0.2:1'), () => Promise.resolve('honest'));
  expect(await isRejected(honest)).toBe(false);
  // The first hash that ends passes its place to the flood, the second one to the other address.
  for (let ended = 0; ended < 2; ended += 1) {
    running.shift()?.('x');
    await turn();
  }
  expect(await Promise.race([honest, turn('pending')])).toBe('honest');
  const rejected = await Promise.all(flooding.map(isRejected));
  expect(rejected.filter((each) => !each)).toHaveLength(2 + 128);
});

test('a flood from two addresses that fill the queue makes place for a third one', async () => {
  const gate = new HashingGate();
  const { hash } = hashes();
  void flood(gate, hash);
  const second = Array.from({ length: 32 }, (_, index) => peer(`10.0.0.3:${index}`));
  const others = second.flatMap((client) =>
    Array.from({ length: 4 }, () => gate.run(client, hash)),
  );
  expect(await Promise.all(others.map(isRejected))).not.toContain(true);
  expect(await isRejected(gate.run(peer('10.0.0.2:1'), hash))).toBe(false);
  const rejected = await Promise.all(others.map(isRejected));
  expect(rejected.filter(Boolean).length).toBeLessThanOrEqual(1);
});

test('a flood from the same address makes place for a connection with fewer hashes', async () => {
  const gate = new HashingGate();
  const { running, hash } = hashes();
  void flood(gate, hash);
  const honest = gate.run(peer('10.0.0.1:9999'), () => Promise.resolve('honest'));
  expect(await isRejected(honest)).toBe(false);
  // Every connection has one turn before another one has its second.
  for (let ended = 0; ended <= 100; ended += 1) {
    running.shift()?.('x');
    await turn();
  }
  expect(await Promise.race([honest, turn('pending')])).toBe('honest');
});

test('a hash that fails frees its place', async () => {
  const gate = new HashingGate({
    ...{ runningMax: 1, waitingMax: 1, perConnectionMax: 5, perAddressMax: 5 },
  });
  const client = peer();
  const failing = gate.run(client, () => Promise.reject(new Error('no memory')));
  await expect(failing).rejects.toThrow('no memory');
  expect(await gate.run(client, () => Promise.resolve('x'))).toBe('x');
});
