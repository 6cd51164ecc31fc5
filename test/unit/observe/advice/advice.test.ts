/** Traffic of tenants through the observe layer, and what the advice makes of it. */
import { afterEach, describe, expect, test } from 'vitest';
import type { KeyForm } from '../../../../src/config/settings/operation.ts';
import { Advice } from '../../../../src/observe/advice/advice.ts';
import { CallCounters } from '../../../../src/observe/call-counters.ts';
import { keyText } from '../../../../src/observe/key-text.ts';
import { observe } from '../../../../src/observe/observe.ts';
import type { TenantState } from '../../../../src/tenant/state.ts';
import type { Tenant } from '../../../../src/tenant/tenant.ts';
import { Caller } from '../../../support/caller.ts';
import { type CodedMethod, encodeRequest, encodeResponse } from '../../../support/codec.ts';
import { FakeEtcd } from '../../../support/fake-etcd.ts';
import { keptLog } from '../../../support/log-lines.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { Seeded } from '../../../support/seeded.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';

const putName = 'etcdserverpb.KV/Put';
const rangeName = 'etcdserverpb.KV/Range';
const watchName = 'etcdserverpb.Watch/Watch';
const grantName = 'etcdserverpb.Lease/LeaseGrant';
const keepAliveName = 'etcdserverpb.Lease/LeaseKeepAlive';
const text = (content: string) => Buffer.from(content);
const game = testTenant('game');

const open: Advice[] = [];
afterEach(() => {
  for (const advice of open.splice(0)) advice.close();
});

function setup(keys: KeyForm = 'off') {
  const clock = new ManualClock();
  const seeded = new Seeded(3);
  const removed = new Set<TenantState>();
  const { logger, lines, written } = keptLog('info');
  const advice = new Advice({
    clock,
    random: { integer: (min, max) => min + seeded.below(max - min) },
    logger,
    keys: keyText(keys),
    isCurrent: (state) => !removed.has(state),
  });
  open.push(advice);
  const etcd = new FakeEtcd<'tenant'>();
  const options = { clock, counters: new CallCounters(), events: advice.events };
  const top = onBytes(observe(options)(etcd));
  const call = <N extends CodedMethod>(
    name: N,
    request: Parameters<typeof encodeRequest<N>>[1],
    response: object = {},
    tenant: Tenant = game,
  ) => {
    top.unary(callOf(name, { tenant }), encodeRequest(name, request), new Caller());
    etcd.last.respond(encodeResponse(name, response));
  };
  /** Repeats `work` that many times per second. */
  const during = (seconds: number, perSecond: number, work: (index: number) => void) => {
    for (let i = 0; i < seconds * perSecond; i++) {
      work(i);
      clock.advance(1_000 / perSecond);
    }
  };
  const findings = (tenant = 'game') =>
    advice.report.find((each) => each.tenant === tenant)?.findings ?? [];
  return { clock, advice, etcd, top, call, during, findings, lines, written, removed };
}

const put = (key: string, bytes = 10) => ({ key: text(key), value: Buffer.alloc(bytes) });

describe('the busiest keys and prefixes', () => {
  test('are those with the most calls, with calls and bytes close to the real ones', () => {
    const { advice, call, during } = setup();
    const seeded = new Seeded(1);
    during(20, 2_000, () => {
      const isHot = seeded.chance(0.3);
      call(putName, put(isHot ? 'players/1/state' : `players/${seeded.below(100_000)}/x`));
    });
    const [report] = advice.report;
    // Counts fade a little within 20 s.
    const factor = 20_000 / (40_000 * 0.5);
    const [first, second] = report?.keys ?? [];
    expect(first?.key).toBe('players/1/state');
    expect((first?.calls ?? 0) * factor).toBeGreaterThan(40_000 * 0.3 * 0.85);
    expect((first?.calls ?? 0) * factor).toBeLessThan(40_000 * 0.3 * 1.25);
    expect(second).toBeUndefined();
    expect(report?.prefixes[0]).toMatchObject({ prefix: 'players/' });
    expect(report?.prefixes[0]?.calls).toBeGreaterThan(40_000 * 0.8);
    expect(report?.prefixes[1]).toMatchObject({ prefix: 'players/1/' });
  });

  test('are printable, whatever bytes a client has put into its keys', () => {
    const { advice, call } = setup();
    call(putName, { key: Buffer.from('\x1b]0;x\x07\xff/\r\n', 'latin1'), value: text('v') });
    const [report] = advice.report;
    expect(report?.keys[0]?.key).toBe('\\x1b]0;x\\x07\\xff/\\x0d\\x0a');
    expect(report?.prefixes[0]?.prefix).toBe('\\x1b]0;x\\x07\\xff/');
  });

  test('of two tenants do not mix', () => {
    const { advice, call } = setup();
    call(putName, put('a'), {}, testTenant('one'));
    call(putName, put('b'), {}, testTenant('two'));
    expect(advice.report.map(({ tenant, keys }) => [tenant, keys.map(({ key }) => key)])).toEqual([
      ['one', ['a']],
      ['two', ['b']],
    ]);
  });
});

describe('a finding', () => {
  test('busy-key: one key has most of the calls, and the advice depends on what they do', () => {
    const { call, during, findings } = setup();
    during(75, 100, (i) => call(rangeName, { key: text(i % 4 === 0 ? `other-${i}` : 'config') }));
    expect(findings()).toEqual([
      {
        name: 'busy-key',
        subject: 'config',
        since: expect.stringMatching(/^\d{4}-.*Z$/),
        figures: { callsPerSecond: expect.closeTo(75, -1), percentOfCalls: expect.closeTo(75, -1) },
        text: expect.stringContaining('Watch this key'),
      },
    ]);
    const writes = setup();
    writes.during(75, 100, () => writes.call(putName, put('counter')));
    expect(writes.findings()[0]).toMatchObject({
      name: 'busy-key',
      text: expect.stringContaining('split it into several keys'),
    });
  });

  test('large-values: with the key and the size of the largest', () => {
    const { call, during, findings } = setup();
    during(70, 0.1, () => call(putName, put('small', 100_000)));
    expect(findings()).toEqual([]);
    during(70, 0.1, (i) => call(putName, put(i === 3 ? 'maps/largest' : 'maps/1', 140_000 + i)));
    during(70, 0.1, (i) => call(putName, put('maps/largest', i === 3 ? 900_000 : 140_000)));
    expect(findings()[0]).toMatchObject({
      name: 'large-values',
      subject: 'maps/largest',
      figures: { largestBytes: expect.closeTo(900_000, -3) },
    });
  });

  test('large-ranges: with the common prefix of what is returned', () => {
    const { call, during, findings } = setup();
    const kvs = Array.from({ length: 1_200 }, (_, i) => ({
      key: text(`maps/${i}`),
      value: Buffer.alloc(1_000),
    }));
    during(70, 0.5, () =>
      call(rangeName, { key: text('maps/'), range_end: text('maps0') }, { kvs, count: 1_200 }),
    );
    expect(findings()[0]).toMatchObject({
      name: 'large-ranges',
      subject: 'maps/',
      figures: { largestKeys: 1_200, perMinute: expect.closeTo(30, -1) },
    });
  });

  test('large-ranges: also of a read that several callers share', () => {
    const { top, etcd, during, findings } = setup();
    const kvs = [{ key: text('maps/1'), value: Buffer.alloc(1_200_000) }];
    const response = encodeResponse(rangeName, { kvs, count: 1 });
    during(70, 0.5, () => {
      const range = { key: text('maps/'), range_end: text('maps0') };
      top.unary(callOf(rangeName, { tenant: game }), encodeRequest(rangeName, range), new Caller());
      etcd.last.deliverShared(new Uint8Array(0), response as never);
      etcd.last.end();
    });
    expect(findings()[0]).toMatchObject({ name: 'large-ranges', subject: 'maps/1' });
  });

  test('lease-churn: leases that are granted and not renewed, but not those that are', () => {
    const { call, during, findings } = setup();
    during(70, 2, () => call(grantName, { TTL: 60 }));
    expect(findings()).toEqual([
      expect.objectContaining({
        name: 'lease-churn',
        subject: '',
        figures: { grantsPerMinute: expect.closeTo(120, -1), keepAlivesPerMinute: 0 },
      }),
    ]);
    const renewed = setup();
    const stream = renewed.top.stream(callOf(keepAliveName, { tenant: game }), new Caller());
    renewed.during(70, 2, () => {
      renewed.call(grantName, { TTL: 60 });
      for (let i = 0; i < 3; i++) stream.send(encodeRequest(keepAliveName, { ID: 7 }));
    });
    expect(renewed.findings()).toEqual([]);
  });

  test('short-leases: leases of a few seconds', () => {
    const { call, during, findings } = setup();
    during(70, 0.7, () => call(grantName, { TTL: 5 }));
    expect(findings().map(({ name }) => name)).toEqual(['short-leases']);
  });

  test.each([
    ['the whole namespace', '\0', '\0', 1],
    ['a prefix', 'a/', 'a0', 0],
    ['all keys from one on', 'a', '\0', 0],
  ])('whole-namespace-watch: a watch of %s with many events', (_what, key, end, expected) => {
    const { top, etcd, during, findings } = setup();
    const stream = top.stream(callOf(watchName, { tenant: game }), new Caller());
    const create = { key: text(key), range_end: text(end) };
    stream.send(encodeRequest(watchName, { create_request: create }));
    etcd.last.deliver(encodeResponse(watchName, { watch_id: 4, created: true }));
    const events = Array.from({ length: 10 }, () => ({ kv: { key: text('k') } }));
    const tail = encodeResponse(watchName, { events });
    const head = encodeResponse(watchName, { header: { revision: 5 }, watch_id: 4 });
    during(70, 20, () => etcd.last.deliverShared(head, tail as never));
    expect(findings()).toHaveLength(expected);
    if (expected > 0) {
      expect(findings()[0]).toMatchObject({
        name: 'whole-namespace-watch',
        figures: { eventsPerSecond: expect.closeTo(200, -2) },
      });
    }
  });

  test('reconnects: many connections from one address', () => {
    const { advice, during, findings } = setup();
    const connect = (remote: string) => {
      const call = callOf(putName, { tenant: game });
      advice.connected(Object.assign(call, { peer: { ...call.peer, remote } }));
    };
    during(70, 1, (i) => connect(`10.0.0.${i}:500`));
    expect(findings()).toEqual([]);
    during(70, 2, (i) => connect(`[fd00::1]:${i}`));
    expect(findings()[0]).toMatchObject({ name: 'reconnects', subject: '[fd00::1]' });
  });

  test('is not made of the first minute, ends when its cause has ended, and keeps its begin', () => {
    const { clock, advice, call, during, findings } = setup();
    during(50, 2, () => call(grantName, { TTL: 60 }));
    expect(findings()).toEqual([]);
    during(30, 2, () => call(grantName, { TTL: 60 }));
    const since = findings()[0]?.since;
    during(30, 2, () => call(grantName, { TTL: 60 }));
    expect(findings()[0]?.since).toBe(since);
    expect(advice.findingCounts.get('lease-churn')).toBe(1);
    for (let i = 0; i < 40; i++) clock.advance(10_000);
    expect(findings()).toEqual([]);
    expect(advice.findingCounts.get('lease-churn')).toBe(0);
  });
});

describe('the log line of a finding', () => {
  test('is written once per hour, without the key unless keys are logged', () => {
    const { call, during, lines, written } = setup();
    during(7_000, 0.2, () => call(putName, put('secret-key', 140_000)));
    expect(lines().map(({ event, finding, tenant }) => [event, finding, tenant])).toEqual(
      Array.from({ length: 2 }, () => ['finding', 'large-values', 'game']),
    );
    expect(written.join('')).not.toContain('secret');
    const shown = setup('truncated');
    shown.during(80, 0.2, () => shown.call(putName, put('a-long-key/of-the-tenant', 140_000)));
    expect(shown.lines()[0]).toMatchObject({ subject: 'a-long-key/of-th…' });
  });
});

describe('the memory', () => {
  test('is bounded in tenants: further ones are counted, until others are idle', () => {
    const { clock, advice, call, during } = setup();
    during(22, 50, (i) => call(putName, put('k'), {}, testTenant(`t-${i}`)));
    expect(advice.report).toHaveLength(1_000);
    expect(advice.untrackedSamples).toBeGreaterThan(0);
    for (let i = 0; i < 70; i++) clock.advance(10_000);
    expect(advice.report).toEqual([]);
    call(putName, put('k'), {}, testTenant('late'));
    expect(advice.report.map(({ tenant }) => tenant)).toEqual(['late']);
  });

  test('of a tenant that only watches is kept', () => {
    const { advice, top, etcd, during } = setup();
    const stream = top.stream(callOf(watchName, { tenant: game }), new Caller());
    const create = { key: text('\0'), range_end: text('\0') };
    stream.send(encodeRequest(watchName, { create_request: create }));
    etcd.last.deliver(encodeResponse(watchName, { watch_id: 4, created: true }));
    const event = { watch_id: 4, events: [{ kv: { key: text('k') } }] };
    during(1_300, 1, () => etcd.last.deliver(encodeResponse(watchName, event)));
    expect(advice.report[0]?.seconds).toBeGreaterThan(500);
  });

  test('of a tenant that a reload removes is released', () => {
    const { clock, advice, call, removed } = setup();
    call(putName, put('k'));
    removed.add(game.state);
    clock.advance(10_000);
    expect(advice.report).toEqual([]);
  });

  test('of a tenant with a million long keys is bounded', () => {
    const { advice, call, during } = setup();
    during(5, 4_000, (i) => call(putName, put(`${i}`.padStart(1_000, 'k'))));
    const size = JSON.stringify(advice.report).length;
    expect(size).toBeLessThan(20_000);
  });
});
