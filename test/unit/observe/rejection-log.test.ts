import { expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import type { LogLevel } from '../../../src/config/settings/operation.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { noCallEvents } from '../../../src/observe/events.ts';
import { observe } from '../../../src/observe/observe.ts';
import { rejectionLog } from '../../../src/observe/rejection-log.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { keptLog } from '../../support/log-lines.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const tenant = testTenant();

function setup(level: LogLevel) {
  const clock = new ManualClock();
  const { logger, lines } = keptLog(level);
  const etcd = new FakeEtcd<'tenant'>();
  const events = rejectionLog(logger, clock);
  const top = onBytes(observe({ clock, counters: new CallCounters(), events })(etcd));
  const put = () =>
    top.unary(callOf('etcdserverpb.KV/Put', { tenant }), Buffer.from('r'), new Caller());
  return { clock, lines, etcd, events, put };
}

test('calls that are not rejected write nothing, and their hooks are null', () => {
  const { lines, etcd, events, put } = setup('info');
  put();
  etcd.last.respond(Buffer.from('a'));
  expect(lines()).toEqual([]);
  expect(events).toEqual({ ...noCallEvents, rejected: expect.any(Function) });
});

test('a rejection is logged with its reason, and repetitions are counted but not logged', () => {
  const { clock, lines, etcd, put } = setup('info');
  etcd.onCall = (call) => call.end(refusal('breaker-open'));
  for (let i = 0; i < 5; i++) put();
  expect(lines()).toHaveLength(1);
  expect(lines()[0]).toMatchObject({
    event: 'call rejected',
    reason: 'breaker-open',
    method: 'etcdserverpb.KV/Put',
    tenant: tenant.name,
  });
  clock.advance(10_000);
  put();
  expect(lines()[1]).toMatchObject({ reason: 'breaker-open', suppressed: 4 });
});

test('another reason is logged at once', () => {
  const { lines, etcd, put } = setup('info');
  for (const reason of ['breaker-open', 'method-denied'] as const) {
    etcd.onCall = (call) => call.end(refusal(reason));
    put();
  }
  expect(lines().map(({ reason }) => reason)).toEqual(['breaker-open', 'method-denied']);
});

test('above info there are no hooks', () => {
  expect(setup('warn').events).toBe(noCallEvents);
});
