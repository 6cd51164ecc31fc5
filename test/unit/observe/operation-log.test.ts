import { describe, expect, test } from 'vitest';
import type { KeyForm, LogLevel } from '../../../src/config/settings/operation.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { keyText } from '../../../src/observe/key-text.ts';
import { observe } from '../../../src/observe/observe.ts';
import { describeRequest } from '../../../src/observe/operation.ts';
import { operationLog } from '../../../src/observe/operation-log.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest, encodeResponse } from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { keptLog } from '../../support/log-lines.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { RequestOp } from '../../support/messages.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const tenant = testTenant();
const putName = 'etcdserverpb.KV/Put';
const watchName = 'etcdserverpb.Watch/Watch';
const put = () => callOf(putName, { tenant });
const text = (content: string) => Buffer.from(content);

function setup(keys: KeyForm = 'off', level: LogLevel = 'debug') {
  const clock = new ManualClock();
  const { logger, written, lines } = keptLog(level);
  const etcd = new FakeEtcd<'tenant'>();
  const events = operationLog(logger, keyText(keys));
  const top = onBytes(observe({ clock, counters: new CallCounters(), events })(etcd));
  return { clock, written, lines, etcd, top };
}

test('a unary call writes one line at its end', () => {
  const { clock, lines, etcd, top } = setup();
  const request = encodeRequest(putName, { key: text('map'), value: text('12345'), lease: 7 });
  top.unary(put(), request, new Caller());
  clock.advance(1.5);
  etcd.last.respond(encodeResponse(putName, { header: { revision: 9 } }));
  expect(lines()).toEqual([
    {
      level: 'debug',
      time: expect.any(String),
      event: 'call',
      method: putName,
      tenant: tenant.name,
      listener: 'main',
      remote: '127.0.0.1:50000',
      code: 'OK',
      ms: 1.5,
      requestBytes: request.length,
      responseBytes: 4,
      request: { valueBytes: 5, lease: '7' },
      response: { revision: 9 },
    },
  ]);
});

test('a watch stream writes a line for each create, cancel and response, and for its end', () => {
  const { lines, etcd, top } = setup('on');
  const requests = top.stream(callOf(watchName, { tenant }), new Caller());
  const send = (request: object) => requests.send(encodeRequest(watchName, request));
  send({
    create_request: { key: text('a/'), range_end: text('a0'), start_revision: 5, watch_id: 3 },
  });
  etcd.last.deliver(encodeResponse(watchName, { watch_id: 3, created: true }));
  etcd.last.deliver(
    encodeResponse(watchName, {
      header: { revision: 12 },
      watch_id: 3,
      events: [{ kv: { key: text('a/1'), value: text('secret') } }, { kv: { key: text('a/2') } }],
    }),
  );
  send({ progress_request: {} });
  send({ cancel_request: { watch_id: 3 } });
  etcd.last.deliver(
    encodeResponse(watchName, { watch_id: 3, canceled: true, cancel_reason: 'line\nbreak' }),
  );
  requests.cancel();
  const shown = lines().map(({ event, request, response }) => [event, request ?? response]);
  expect(shown).toEqual([
    ['stream opened', undefined],
    ['stream request', { create: { key: 'a/', rangeEnd: 'a0', startRevision: 5, watchId: 3 } }],
    ['stream response', { watchId: 3, created: true }],
    ['stream response', { revision: 12, watchId: 3, events: 2 }],
    ['stream request', { progress: {} }],
    ['stream request', { cancel: { watchId: 3 } }],
    ['stream response', { watchId: 3, cancelled: true, reason: 'line\\x0abreak' }],
    ['stream closed', undefined],
  ]);
  expect(lines().at(-1)).toMatchObject({ code: 'Canceled', cancelled: true, requestMessages: 3 });
});

test('leases are logged when they are granted, renewed and revoked', () => {
  const { lines, etcd, top } = setup();
  const unary = (name: Parameters<typeof encodeRequest>[0], request: object, response: object) => {
    top.unary(callOf(name, { tenant }), encodeRequest(name, request), new Caller());
    etcd.last.respond(encodeResponse(name, response));
  };
  unary('etcdserverpb.Lease/LeaseGrant', { TTL: 60 }, { ID: 77, TTL: 60 });
  unary('etcdserverpb.Lease/LeaseRevoke', { ID: 77 }, {});
  const keepAlive = 'etcdserverpb.Lease/LeaseKeepAlive';
  const requests = top.stream(callOf(keepAlive, { tenant }), new Caller());
  requests.send(encodeRequest(keepAlive, { ID: 77 }));
  etcd.last.deliver(encodeResponse(keepAlive, { ID: 77, TTL: 60 }));
  expect(lines().map(({ request, response }) => ({ request, response }))).toEqual([
    { request: { ttl: 60 }, response: { lease: '4d', ttl: 60 } },
    { request: { lease: '4d' }, response: {} },
    {},
    { request: { lease: '4d' } },
    { response: { lease: '4d', ttl: 60 } },
  ]);
});

describe('a transaction', () => {
  const txnName = 'etcdserverpb.KV/Txn';
  const operations: RequestOp[] = [
    { request_put: { key: text('a'), value: text('secret') } },
    { request_range: { key: text('b') } },
    { request_delete_range: { key: text('c'), range_end: text('d') } },
  ];

  test('is shown with its operations', () => {
    const { lines, etcd, top } = setup('on');
    const request = { compare: [{ key: text('a') }], success: operations };
    top.unary(callOf(txnName, { tenant }), encodeRequest(txnName, request), new Caller());
    etcd.last.respond(encodeResponse(txnName, { succeeded: true }));
    expect(lines()[0]).toMatchObject({
      request: {
        compare: [{ key: 'a' }],
        success: [
          { put: { key: 'a', valueBytes: 6 } },
          { range: { key: 'b' } },
          { delete: { key: 'c', rangeEnd: 'd' } },
        ],
      },
      response: { succeeded: true },
    });
  });

  test('with many operations is cut', () => {
    const { lines, etcd, top } = setup('on');
    const success = Array.from({ length: 100 }, () => operations[1] ?? {});
    top.unary(callOf(txnName, { tenant }), encodeRequest(txnName, { success }), new Caller());
    etcd.last.respond(encodeResponse(txnName, {}));
    const { request } = lines()[0] as { request: { success: unknown[] } };
    expect(request.success).toHaveLength(17);
    expect(request.success.at(-1)).toBe('…');
  });
});

describe('keys', () => {
  const key = Buffer.from('secret/\x1b]0;x\x07/a long key', 'latin1');
  test.each([
    ['off', undefined],
    ['hash', 'sha256:68b3a907c5af0e7d'],
    ['truncated', 'secret/\\x1b]0;x\\x07/a …'],
    ['on', 'secret/\\x1b]0;x\\x07/a long key'],
  ] as const)('are shown as --log-keys=%s says', (form, shown) => {
    const { written, lines, etcd, top } = setup(form);
    top.unary(put(), encodeRequest(putName, { key, value: text('hidden') }), new Caller());
    etcd.last.respond(encodeResponse(putName, { prev_kv: { key, value: text('hidden') } }));
    const { request } = lines()[0] as { request: { key?: string } };
    expect(request.key).toBe(shown);
    expect(written.join('')).not.toContain('hidden');
    if (form === 'off' || form === 'hash') expect(written.join('')).not.toContain('secret');
  });
});

test('bytes that are not protobuf are not described', () => {
  const { lines, etcd, top } = setup('on');
  top.unary(put(), Uint8Array.of(0x0a, 0x03, 0x61, 0xff), new Caller());
  etcd.last.respond(Uint8Array.of(0xff));
  expect(lines()[0]).toMatchObject({ event: 'call', request: {}, response: {} });
});

test('a long transaction is decoded as far as it is shown', () => {
  const success = Array.from({ length: 1_000 }, (_, index) => ({
    request_put: { key: text(`${index}`) },
  }));
  const message = encodeRequest('etcdserverpb.KV/Txn', { success });
  let decoded = 0;
  const described = describeRequest('TxnRequest', message, (key) => {
    decoded += 1;
    return Buffer.from(key).toString();
  });
  expect(described['success']).toHaveLength(17);
  expect(decoded).toBeLessThan(20);
});

test('a lease ID has all of its digits, as etcdctl shows it', () => {
  const message = encodeRequest('etcdserverpb.Lease/LeaseRevoke', { ID: '7587876207173246001' });
  expect(describeRequest('LeaseRevokeRequest', message, null)).toEqual({
    lease: 7587876207173246001n.toString(16),
  });
});
