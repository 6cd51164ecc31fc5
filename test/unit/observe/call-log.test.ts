import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import type { LogLevel } from '../../../src/config/settings/operation.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { callLog } from '../../../src/observe/call-log.ts';
import { noCallEvents } from '../../../src/observe/events.ts';
import { createLogger } from '../../../src/observe/logger.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const tenant = testTenant();
const put = () => callOf('etcdserverpb.KV/Put', { tenant });

function setup(level: LogLevel, keyOf: (() => string) | null = null) {
  const clock = new ManualClock();
  const written: string[] = [];
  const logger = createLogger(level, {}, { write: (line) => written.push(line) });
  const etcd = new FakeEtcd<'tenant'>();
  const options = { clock, counters: new CallCounters(), events: callLog(logger, clock), keyOf };
  const top = onBytes(observe(options)(etcd));
  const lines = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { clock, written, lines, etcd, top, options };
}

describe('at debug', () => {
  test('a unary call writes one line', () => {
    const { clock, lines, etcd, top } = setup('debug');
    top.unary(put(), Buffer.from('request'), new Caller());
    clock.advance(1.5);
    etcd.last.respond(Buffer.from('answer'));
    expect(lines()).toEqual([
      {
        level: 'debug',
        time: expect.any(String),
        event: 'call',
        method: 'etcdserverpb.KV/Put',
        tenant: tenant.name,
        listener: 'main',
        remote: '127.0.0.1:50000',
        code: 'OK',
        ms: 1.5,
        requestBytes: 7,
        responseBytes: 6,
      },
    ]);
  });

  test('a stream writes one line when it opens and one when it closes', () => {
    const { lines, etcd, top } = setup('debug');
    const requests = top.stream(callOf('etcdserverpb.Watch/Watch', { tenant }), new Caller());
    requests.send(Buffer.from('create'));
    etcd.last.deliver(Buffer.from('created'));
    requests.cancel();
    expect(lines().map(({ event }) => event)).toEqual(['stream opened', 'stream closed']);
    expect(lines()[1]).toMatchObject({
      code: 'Canceled',
      cancelled: true,
      requestMessages: 1,
      responseMessages: 1,
    });
  });

  test('keys and values are not written', () => {
    const { written, etcd, top } = setup('debug');
    top.unary(put(), Buffer.from('secret-key secret-value'), new Caller());
    etcd.last.respond(Buffer.from('secret-value'));
    expect(written.join('')).not.toContain('secret');
  });

  test('the key is written if that is configured', () => {
    const { lines, etcd, top } = setup('debug', () => 'map');
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.respond(Buffer.from('a'));
    expect(lines()[0]).toMatchObject({ key: 'map' });
  });
});

describe('at info', () => {
  test('calls write nothing, and their hooks are null', () => {
    const { written, etcd, top, options } = setup('info');
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.respond(Buffer.from('a'));
    expect(written).toEqual([]);
    expect(options.events).toMatchObject({ opened: null, ended: null });
  });

  test('a rejection is logged with its reason, and repetitions are counted but not logged', () => {
    const { clock, lines, etcd, top } = setup('info');
    etcd.onCall = (call) => call.end(refusal('breaker-open'));
    for (let i = 0; i < 5; i++) top.unary(put(), Buffer.from('r'), new Caller());
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toMatchObject({
      event: 'call rejected',
      reason: 'breaker-open',
      method: 'etcdserverpb.KV/Put',
      tenant: tenant.name,
    });
    clock.advance(10_000);
    top.unary(put(), Buffer.from('r'), new Caller());
    expect(lines()[1]).toMatchObject({ reason: 'breaker-open', suppressed: 4 });
  });

  test('another reason is logged at once', () => {
    const { lines, etcd, top } = setup('info');
    for (const reason of ['breaker-open', 'method-denied'] as const) {
      etcd.onCall = (call) => call.end(refusal(reason));
      top.unary(put(), Buffer.from('r'), new Caller());
    }
    expect(lines().map(({ reason }) => reason)).toEqual(['breaker-open', 'method-denied']);
  });
});

test('above info there are no hooks', () => {
  expect(setup('warn').options.events).toBe(noCallEvents);
});
