import { expect, test } from 'vitest';
import { Code, ok, status } from '../../../src/grpc/status.ts';
import { decodeRequest } from '../../support/codec.ts';
import { CacheSetup, pair, rangeMethod, watched } from './setup.ts';

const intervalMs = 2_000;
const serializable = { serializable: true };

function loaded(): CacheSetup {
  const setup = new CacheSetup({ permissionMs: intervalMs });
  setup.watch();
  setup.load([pair('k/a', 90)]);
  setup.takeCalls();
  return setup;
}

test('a range in use is checked at etcd at intervals, with a read that returns no keys', () => {
  const setup = loaded();
  setup.read(serializable);
  expect(setup.takeCalls()).toEqual([]);
  setup.clock.advance(intervalMs);
  setup.read(serializable);
  setup.read(serializable);
  const checks = setup.takeCalls();
  expect(checks).toHaveLength(1);
  const [check] = checks;
  const request = decodeRequest(rangeMethod, check?.requests[0] as Uint8Array);
  expect(request).toMatchObject({ ...watched, serializable: true, count_only: true });
  // One at a time.
  setup.clock.advance(intervalMs);
  setup.read(serializable);
  expect(setup.takeCalls()).toEqual([]);
  setup.respond(check as never, 100);
  setup.read(serializable);
  expect(setup.takeCalls()).toHaveLength(1);
});

test('a range without reads is not checked', () => {
  const setup = loaded();
  setup.clock.advance(10 * intervalMs);
  expect(setup.takeCalls()).toEqual([]);
});

test.each([
  ['of a user without the permission', Code.PERMISSION_DENIED],
  ['with an invalid token', Code.UNAUTHENTICATED],
  ['without a user', Code.INVALID_ARGUMENT],
])('a check that etcd refuses as one %s ends the range, and reads pass', (_name, code) => {
  const setup = loaded();
  setup.clock.advance(intervalMs);
  setup.read(serializable);
  setup.takeCalls()[0]?.end(status(code, 'refused'));
  expect(setup.context.stats.ranges).toBe(0);
  const read = setup.read(serializable);
  expect(read.result).toBeNull();
  expect(setup.takeCalls()).toHaveLength(1);
});

test.each([
  [
    'ends with an error that says nothing about permissions',
    status(Code.UNAVAILABLE, 'lost', 'lost'),
  ],
  ['has no message', ok],
])('a check that %s leaves the range in memory', (_name, end) => {
  const setup = loaded();
  setup.clock.advance(intervalMs);
  setup.read(serializable);
  setup.takeCalls()[0]?.end(end);
  expect(setup.context.stats.ranges).toBe(1);
});
