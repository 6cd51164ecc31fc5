/** How often clients may ping, as grpc-go counts it with etcd's settings. */
import { expect, test } from 'vitest';
import { PingPolicy } from '../../../src/http2/ping-policy.ts';

/** How many of the pings, one every `everyMs` with a stream open, are allowed before the connection must be closed. */
function allowed(policy: PingPolicy, everyMs: number): number {
  let count = 0;
  while (count < 10 && policy.allows((count + 1) * everyMs, true, 0)) count += 1;
  return count;
}

test('the interval is etcd’s default of five seconds', () => {
  expect(allowed(new PingPolicy(), 5_000)).toBe(10);
  expect(allowed(new PingPolicy(), 4_999)).toBe(3);
});

test('the interval can be configured', () => {
  expect(allowed(new PingPolicy(1_000), 1_000)).toBe(10);
  expect(allowed(new PingPolicy(60_000), 5_000)).toBe(3);
});
