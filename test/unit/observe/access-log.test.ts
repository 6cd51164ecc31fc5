import { beforeEach, describe, expect, test } from 'vitest';
import type { AccessLogConfig } from '../../../src/config/sections/access-log.ts';
import type { KeyForm, LogLevel } from '../../../src/config/settings/operation.ts';
import { Code } from '../../../src/grpc/status.ts';
import { accessLog } from '../../../src/observe/access-log.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { keyText } from '../../../src/observe/key-text.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest } from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { keptLog } from '../../support/log-lines.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Seeded } from '../../support/seeded.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

let tenant = testTenant();
beforeEach(() => {
  tenant = testTenant();
});

const putName = 'etcdserverpb.KV/Put';
const lockName = 'v3lockpb.Lock/Lock';
const watchName = 'etcdserverpb.Watch/Watch';
const request = encodeRequest(putName, { key: Buffer.from('map'), value: Buffer.from('secret') });

interface Options extends Partial<AccessLogConfig> {
  readonly level?: LogLevel;
  readonly keys?: KeyForm;
}

function setup({ level = 'error', keys = 'off', ...options }: Options = {}) {
  const clock = new ManualClock();
  const { logger, written, lines } = keptLog(level);
  const etcd = new FakeEtcd<'tenant'>();
  let suppressed = 0;
  const seeded = new Seeded(1);
  const events = accessLog({
    logger,
    clock,
    random: { integer: (min, max) => min + seeded.below(max - min) },
    keys: keyText(keys),
    config: {
      mode: 'sampled',
      slowMs: 1_000,
      sampleOneOf: 1_000_000,
      linesPerSecondMax: 100,
      ...options,
    },
    onSuppressed: () => {
      suppressed += 1;
    },
  });
  const top = onBytes(observe({ clock, counters: new CallCounters(), events })(etcd));
  /** A unary call that takes `ms` and ends with `code`. */
  const call = (
    code: number = Code.OK,
    ms = 1,
    name: typeof putName | typeof lockName = putName,
    of = tenant,
  ) => {
    top.unary(callOf(name, { tenant: of }), request, new Caller());
    clock.advance(ms);
    if (code === Code.OK) etcd.last.respond(Buffer.from('a'));
    else etcd.last.fail(code, 'etcdserver: failed');
  };
  return { clock, written, lines, etcd, top, call, suppressed: () => suppressed };
}

describe.each(['errors', 'sampled'] as const)('in the mode %s', (mode) => {
  test('a call that fails is logged, at every level but silent', () => {
    const { lines, call } = setup({ mode });
    call(Code.UNAVAILABLE, 3);
    expect(lines()).toEqual([
      expect.objectContaining({
        level: 'info',
        log: 'access',
        event: 'call',
        cause: 'error',
        method: putName,
        tenant: tenant.name,
        code: 'Unavailable',
        text: 'etcdserver: failed',
        ms: 3,
        requestBytes: request.length,
        responseBytes: 0,
      }),
    ]);
    const silent = setup({ mode, level: 'silent' });
    silent.call(Code.UNAVAILABLE);
    expect(silent.written).toEqual([]);
  });

  test('a slow call is logged, unless it waits for other clients', () => {
    const { lines, call } = setup({ mode });
    call(Code.OK, 999);
    call(Code.OK, 60_000, lockName);
    expect(lines()).toEqual([]);
    call(Code.OK, 1_000);
    expect(lines()).toEqual([expect.objectContaining({ cause: 'slow', code: 'OK', ms: 1_000 })]);
  });

  test('a call that its client cancels is not an error, and slow if it took long', () => {
    const { clock, lines, top } = setup({ mode });
    const start = () => top.unary(callOf(putName, { tenant }), request, new Caller());
    start().cancel();
    expect(lines()).toEqual([]);
    const second = start();
    clock.advance(5_000);
    second.cancel();
    expect(lines()[0]).toMatchObject({ cause: 'slow', code: 'Canceled', cancelled: true });
  });
});

test('streams are logged in the mode sampled when they open and close, with counts', () => {
  const { clock, lines, etcd, top } = setup();
  const requests = top.stream(callOf(watchName, { tenant }), new Caller());
  requests.send(Buffer.from('create'));
  etcd.last.deliver(Buffer.from('created'));
  clock.advance(90_000);
  requests.cancel();
  expect(lines()).toEqual([
    expect.objectContaining({ event: 'stream opened', cause: 'stream', method: watchName }),
    expect.objectContaining({
      event: 'stream closed',
      cause: 'stream',
      ms: 90_000,
      requestMessages: 1,
      requestBytes: 6,
      responseMessages: 1,
      responseBytes: 7,
    }),
  ]);
});

test('streams are logged in the mode errors only if they fail', () => {
  const { lines, etcd, top } = setup({ mode: 'errors' });
  top.stream(callOf(watchName, { tenant }), new Caller()).cancel();
  expect(lines()).toEqual([]);
  top.stream(callOf(watchName, { tenant }), new Caller());
  etcd.last.fail(Code.UNAVAILABLE, 'lost');
  expect(lines()).toEqual([expect.objectContaining({ event: 'stream closed', cause: 'error' })]);
});

test('one of N other calls is logged, at irregular distances', () => {
  const { lines, call } = setup({ sampleOneOf: 10, linesPerSecondMax: 100_000 });
  const logged: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    const before = lines().length;
    call();
    if (lines().length > before) logged.push(i);
  }
  expect(lines().every(({ cause }) => cause === 'sample')).toBe(true);
  expect(logged.length).toBeGreaterThan(140);
  expect(logged.length).toBeLessThan(270);
  expect(new Set(logged.map((at) => at % 10)).size).toBe(10);
});

test('lines above the rate are counted, and errors and other lines do not suppress each other', () => {
  const { clock, lines, call, suppressed } = setup({ sampleOneOf: 1, linesPerSecondMax: 10 });
  for (let i = 0; i < 50; i++) call(Code.OK, 0);
  const tenants = Array.from({ length: 30 }, (_, i) => testTenant(`game-${i}`));
  for (const each of tenants) call(Code.UNAVAILABLE, 0, putName, each);
  const count = (cause: string) => lines().filter((line) => line['cause'] === cause).length;
  expect([count('sample'), count('error')]).toEqual([10, 10]);
  const before = suppressed();
  expect(before).toBeGreaterThanOrEqual(20);
  clock.advance(1_000);
  call(Code.UNAVAILABLE, 0);
  expect(lines().at(-1)).toMatchObject({ cause: 'error', suppressed: 20 });
  expect(suppressed()).toBe(before);
});

test('a tenant whose calls fail hides neither the errors nor the slow calls of other tenants', () => {
  const { clock, lines, call, suppressed } = setup({ mode: 'errors', linesPerSecondMax: 40 });
  const [first, second] = [testTenant('first'), testTenant('second')];
  const count = ({ name }: { readonly name: string }) =>
    lines().filter((line) => line['tenant'] === name).length;
  for (let i = 0; i < 100; i++) call(Code.RESOURCE_EXHAUSTED, 0, putName, first);
  expect([count(first), suppressed()]).toEqual([10, 90]);
  call(Code.OK, 1_000, putName, second);
  expect(lines().at(-1)).toMatchObject({ tenant: 'second', cause: 'slow', suppressed: 90 });
  for (let i = 0; i < 100; i++) call(Code.UNAVAILABLE, 0, putName, first);
  expect([count(first), count(second)]).toEqual([20, 1]);
  clock.advance(500);
  for (let i = 0; i < 100; i++) call(Code.UNAVAILABLE, 0, putName, first);
  expect(count(first)).toBe(25);
});

test('a tenant has a line also if its share is less than one per second', () => {
  const { clock, lines, call } = setup({ mode: 'errors', linesPerSecondMax: 1 });
  call(Code.UNAVAILABLE, 0);
  clock.advance(3_000);
  call(Code.UNAVAILABLE, 0);
  expect(lines()).toHaveLength(1);
  clock.advance(1_000);
  call(Code.UNAVAILABLE, 0);
  expect(lines().at(-1)).toMatchObject({ suppressed: 1 });
  expect(lines()).toHaveLength(2);
});

test.each([
  ['off', undefined],
  ['on', 'map'],
] as const)('with --log-keys=%s the key is %s, and values are never written', (keys, shown) => {
  const { written, lines, call } = setup({ keys });
  call(Code.UNAVAILABLE);
  const { request: logged } = lines()[0] as { request?: { key?: string } };
  expect(logged?.key).toBe(shown);
  expect(written.join('')).not.toContain('secret');
});
