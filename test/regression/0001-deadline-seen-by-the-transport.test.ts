/**
 * The transport and the guard enforce the same deadline. If the transport was first, its text reached the client, with the
 * address of the member in it, and the breaker did not count a cluster that had not responded as failing.
 */
import { expect, test } from 'vitest';
import { reasonTrailer } from '../../src/call/refusals.ts';
import type { BreakerConfig } from '../../src/config/sections/breaker.ts';
import { metadataValue } from '../../src/grpc/metadata.ts';
import { Code, status } from '../../src/grpc/status.ts';
import { Breakers } from '../../src/guard/breaker/breakers.ts';
import { guard } from '../../src/guard/guard.ts';
import { Hold } from '../../src/guard/hold.ts';
import { makeQueues } from '../../src/guard/queues.ts';
import { RetryBudget } from '../../src/guard/retry-budget.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { Caller } from '../support/caller.ts';
import { FakeEtcd } from '../support/fake-etcd.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../support/test-call.ts';

const config: BreakerConfig = {
  enabled: true,
  windowMs: 10_000,
  callsMin: 3,
  errorPercent: 50,
  openMs: 1_000,
  openMaxMs: 10_000,
};
const deadlineMs = 8_000;
const seenByTransport = status(
  Code.DEADLINE_EXCEEDED,
  'Deadline exceeded after 8.000s,remote_addr=10.0.0.1:2379',
  'proxy',
);

test('a deadline that the transport reports first has the usual status, and counts as no response', () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const random = { integer: (min: number) => min };
  const breakers = new Breakers({ config, clock, random, deadlines, onState: null });
  const hold = new Hold({
    isAvailable: () => true,
    isFull: () => false,
    isDialing: () => false,
    onAvailable: () => {},
  });
  const limits = { inFlightMax: 1_000, readBytesMax: 1 << 20, hasOneTenant: true };
  const queues = makeQueues(limits, random);
  const budget = new RetryBudget(clock);
  const below = new FakeEtcd<'store'>();
  const parts = { clock, deadlines, breakers, budget, hold, ...queues };
  const layer = guard({ ...parts, holdMs: 5_000, requestTimeoutMs: 15_000, onRetry: null });
  const etcd = onBytes(layer(below));
  const tenant = testTenant();
  const callers = Array.from({ length: config.callsMin }, () => {
    const above = new Caller();
    etcd.unary(callOf('etcdserverpb.KV/Put', { tenant, deadlineMs }), Buffer.from('put'), above);
    return above;
  });
  // Just before the guard's own timer.
  clock.advance(deadlineMs - 1);
  for (const attempt of below.calls) attempt.end(seenByTransport);

  for (const { status: ended } of callers) {
    expect(ended).toMatchObject({
      code: Code.DEADLINE_EXCEEDED,
      text: 'context deadline exceeded',
    });
    expect(metadataValue(ended?.trailers ?? [], reasonTrailer)).toBe('deadline-passed');
  }
  expect(breakers.of(tenant.state, 'write')?.state).toBe('open');
  breakers.close();
});
