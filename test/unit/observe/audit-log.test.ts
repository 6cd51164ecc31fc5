import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import type { LogLevel } from '../../../src/config/settings/operation.ts';
import type { MethodName } from '../../../src/etcd/methods.ts';
import { AuditLog, auditedCalls } from '../../../src/observe/audit-log.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { keptLog } from '../../support/log-lines.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const owner = testTenant('ops', {
  owns: new Set<MethodName>([
    'etcdserverpb.Maintenance/Defragment',
    'etcdserverpb.Maintenance/Status',
  ]),
});

function setup(level: LogLevel = 'error') {
  const clock = new ManualClock();
  const { logger, lines, written } = keptLog(level);
  let suppressed = 0;
  const audit = new AuditLog(logger, clock, () => {
    suppressed += 1;
  });
  const etcd = new FakeEtcd<'tenant'>();
  const events = auditedCalls(audit, () => 'user:ops');
  const top = onBytes(observe({ clock, counters: new CallCounters(), events })(etcd));
  const call = (name: MethodName, tenant = owner) =>
    top.unary(callOf(name, { tenant }), Buffer.from('r'), new Caller());
  return { clock, audit, lines, written, etcd, call, suppressed: () => suppressed };
}

describe('a call of the owner on the whole cluster', () => {
  test('is logged with its tenant, identity, address and outcome', () => {
    const { lines, etcd, clock, call } = setup();
    call('etcdserverpb.Maintenance/Defragment');
    clock.advance(20);
    etcd.last.respond(Buffer.from(''));
    call('etcdserverpb.Maintenance/Defragment');
    etcd.last.fail(14, 'etcdserver: no leader');
    const common = {
      log: 'audit',
      event: 'owner call',
      method: 'etcdserverpb.Maintenance/Defragment',
      tenant: 'ops',
      identity: 'user:ops',
      remote: '127.0.0.1:50000',
    };
    expect(lines()).toEqual([
      expect.objectContaining({ ...common, outcome: 'done', code: 'OK', ms: 20 }),
      expect.objectContaining({ ...common, outcome: 'failed', text: 'etcdserver: no leader' }),
    ]);
  });

  test('is not logged if every tenant may read the same, or if it is a call of another tenant', () => {
    const { written, etcd, call } = setup();
    call('etcdserverpb.Maintenance/Status');
    etcd.last.respond(Buffer.from(''));
    call('etcdserverpb.KV/Put');
    etcd.last.respond(Buffer.from(''));
    call('etcdserverpb.Maintenance/Alarm', testTenant());
    etcd.last.respond(Buffer.from(''));
    expect(written).toEqual([]);
  });
});

test('a method that is refused is logged, and a refusal for load is not', () => {
  const { lines, etcd, call } = setup();
  for (const reason of ['method-denied', 'read-only', 'call-rate-limit'] as const) {
    etcd.onCall = (each) => each.end(refusal(reason));
    call('etcdserverpb.KV/Put', testTenant('game-1'));
  }
  expect(lines().map(({ event, outcome, reason }) => [event, outcome, reason])).toEqual([
    ['method refused', 'refused', 'method-denied'],
    ['method refused', 'refused', 'read-only'],
  ]);
});

test('lines of one event above the rate are counted, and do not suppress those of another', () => {
  const { clock, audit, lines, suppressed } = setup();
  for (let i = 0; i < 80; i++) audit.write('login failed', 'refused', () => ({ reason: 'r' }));
  audit.write('foreign lease', 'refused', () => ({ tenant: 'a' }));
  const count = (event: string) => lines().filter((line) => line['event'] === event).length;
  expect([count('login failed'), count('foreign lease'), suppressed()]).toEqual([50, 1, 30]);
  clock.advance(1_000);
  audit.write('login failed', 'refused', () => ({ reason: 'r' }));
  expect(lines().at(-1)).toMatchObject({ suppressed: 30 });
});

test('a tenant whose calls are refused does not hide the refusals of another tenant', () => {
  const { clock, audit, lines, etcd, call } = setup();
  etcd.onCall = (each) => each.end(refusal('method-denied'));
  const [first, second] = [testTenant('first'), testTenant('second')];
  const lease = callOf('etcdserverpb.Lease/LeaseRevoke', { tenant: first });
  const count = (event: string, tenant: string) =>
    lines().filter((line) => line['event'] === event && line['tenant'] === tenant).length;
  for (let i = 0; i < 80; i++) {
    call('etcdserverpb.KV/Put', first);
    audit.refused('foreign lease', lease, () => ({ tenant: 'first' }));
  }
  call('etcdserverpb.KV/Put', second);
  expect(count('method refused', 'first')).toBe(12);
  expect(count('foreign lease', 'first')).toBe(12);
  expect(lines().at(-1)).toMatchObject({ tenant: 'second', suppressed: 68 });
  clock.advance(2_000);
  for (let i = 0; i < 80; i++) call('etcdserverpb.KV/Put', first);
  expect(count('method refused', 'first')).toBe(17);
});

test('nothing is written at the level silent, or if the log is off', () => {
  const { audit, written } = setup('silent');
  audit.write('login failed', 'refused', () => ({}));
  expect(written).toEqual([]);
  new AuditLog(null, new ManualClock(), () => {}).write('login failed', 'refused', () => ({}));
});
