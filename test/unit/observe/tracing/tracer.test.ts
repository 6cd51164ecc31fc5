import { describe, expect, test } from 'vitest';
import type { Call } from '../../../../src/call/call.ts';
import { Code, status } from '../../../../src/grpc/status.ts';
import type { CallRecord } from '../../../../src/observe/events.ts';
import type { Span } from '../../../../src/observe/tracing/span.ts';
import { TraceIds } from '../../../../src/observe/tracing/trace-ids.ts';
import { sampledPerSecondMax, Tracer } from '../../../../src/observe/tracing/tracer.ts';
import { Writer } from '../../../../src/protobuf/writer.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { Seeded } from '../../../support/seeded.ts';
import { callOf, testTenant } from '../../../support/test-call.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const put = 'etcdserverpb.KV/Put';
const ok = status(Code.OK, '', 'peer');

function setup(ratio = 1) {
  const clock = new ManualClock();
  const random = new Seeded(7);
  const spans: Span[] = [];
  let limited = 0;
  const tracer = new Tracer({
    clock,
    ids: new TraceIds((target) => {
      for (let i = 0; i < target.length; i++) target[i] = random.below(256);
    }),
    ratio,
    onSpan: (span) => spans.push(span),
    onLimited: () => {
      limited += 1;
    },
  });
  const begin = (metadata: readonly string[] = []): Call => {
    const call = callOf(put, { tenant: testTenant('game'), metadata });
    call.trace = tracer.begin(call);
    return call;
  };
  const end = (call: Call, more: Partial<CallRecord> = {}) => tracer.ended(record(call, more));
  return { clock, tracer, spans, begin, end, limited: () => limited };
}

function record(call: Call, more: Partial<CallRecord> = {}): CallRecord {
  return {
    ...{
      call,
      durationMs: 2.5,
      code: Code.OK,
      text: '',
      isCancelled: false,
      operation: null,
      sample: null,
    },
    ...{ requestMessages: 1, requestBytes: 20, responseMessages: 1, responseBytes: 30 },
    ...more,
  };
}

const parent = (flags: string) => ['traceparent', `00-${traceId}-${spanId}-${flags}`];

describe('a call that is sampled', () => {
  test('has a span with the conventions of RPCs and the tenant', () => {
    const { spans, begin, end, clock } = setup();
    end(begin());
    expect(spans).toEqual([
      {
        name: put,
        kind: 'server',
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
        parentSpanId: '',
        isParentRemote: true,
        state: '',
        startMs: clock.epochMs(),
        durationMs: 2.5,
        isError: false,
        text: '',
        attributes: {
          'rpc.system': 'grpc',
          'rpc.service': 'etcdserverpb.KV',
          'rpc.method': 'Put',
          'rpc.grpc.status_code': 0,
          'etcd_bulkhead.tenant': 'game',
          'etcd_bulkhead.listener': 'main',
          'network.peer.address': '127.0.0.1:50000',
          'etcd_bulkhead.request_messages': 1,
          'etcd_bulkhead.request_bytes': 20,
          'etcd_bulkhead.response_messages': 1,
          'etcd_bulkhead.response_bytes': 30,
        },
      },
    ]);
  });

  test('has a span per attempt below its own, which etcd continues', () => {
    const { spans, begin, end, clock } = setup();
    const call = begin(parent('01'));
    const first = call.trace?.attempt(call.method, 'etcd-1:2379');
    clock.advance(4);
    first?.end(status(Code.UNAVAILABLE, 'lost', 'lost'));
    const second = call.trace?.attempt(call.method, 'etcd-2:2379');
    second?.end(ok);
    second?.end(status(Code.CANCELLED, ''));
    end(call);
    const [one, two, server] = spans;
    expect(spans.map(({ kind }) => kind)).toEqual(['client', 'client', 'server']);
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));
    expect(server?.parentSpanId).toBe(spanId);
    expect([one?.parentSpanId, two?.parentSpanId]).toEqual([server?.spanId, server?.spanId]);
    expect(one).toMatchObject({ durationMs: 4, isError: true, text: 'lost' });
    expect(one?.attributes).toMatchObject({
      'server.address': 'etcd-1:2379',
      'rpc.grpc.status_code': Code.UNAVAILABLE,
      'etcd_bulkhead.origin': 'lost',
    });
    expect(first?.metadata).toEqual(['traceparent', `00-${traceId}-${one?.spanId}-01`]);
    expect(second?.metadata).toEqual(['traceparent', `00-${traceId}-${two?.spanId}-01`]);
  });

  test('has its rejection, its key if there is one, and whether it was cancelled', () => {
    const { spans, begin, end, tracer } = setup();
    const call = begin();
    const request = new Writer().string(1, 'k').string(2, 'v').finish();
    tracer.requested(record(call), request, (key) => Buffer.from(key).toString());
    tracer.rejected(record(call), 'rate-limit');
    end(call, { code: Code.RESOURCE_EXHAUSTED, text: 'too many' });
    end(begin(), { code: Code.CANCELLED, isCancelled: true });
    expect(spans[0]?.attributes).toMatchObject({
      'etcd_bulkhead.rejection': 'rate-limit',
      'etcd_bulkhead.key': 'k',
    });
    expect(spans[1]?.attributes).toMatchObject({ 'etcd_bulkhead.cancelled': true });
  });

  test.each([
    [Code.NOT_FOUND, false],
    [Code.INVALID_ARGUMENT, false],
    [Code.RESOURCE_EXHAUSTED, false],
    [Code.UNAVAILABLE, true],
    [Code.INTERNAL, true],
    [Code.DEADLINE_EXCEEDED, true],
  ])('with the code %d is an error of the server: %s', (code, isError) => {
    const { spans, begin, end } = setup();
    const call = begin();
    call.trace?.attempt(call.method, 'etcd').end(status(code, 'why', 'peer'));
    end(call, { code, text: 'why' });
    expect(spans.map((span) => span.isError)).toEqual([true, isError]);
    expect(spans[1]?.text).toBe(isError ? 'why' : '');
  });

  test('passes on the state of the client', () => {
    const { spans, begin, end } = setup();
    const call = begin([...parent('01'), 'tracestate', 'a=1']);
    const attempt = call.trace?.attempt(call.method, 'etcd');
    expect(attempt?.metadata.slice(2)).toEqual(['tracestate', 'a=1']);
    end(call);
    expect(spans[0]?.state).toBe('a=1');
  });
});

describe('a call is sampled', () => {
  test('as its client has decided, whatever the ratio is', () => {
    for (const ratio of [0, 1]) {
      const { spans, begin, end } = setup(ratio);
      for (const flags of ['00', '01']) {
        const call = begin(parent(flags));
        call.trace?.attempt(call.method, 'etcd').end(ok);
        end(call);
      }
      expect(spans).toHaveLength(2);
    }
  });

  test('with the probability of the ratio, if the client has not decided', () => {
    const { spans, begin, end } = setup(0.25);
    const calls = 900;
    for (let i = 0; i < calls; i++) end(begin());
    expect(spans.length / calls).toBeGreaterThan(0.2);
    expect(spans.length / calls).toBeLessThan(0.3);
    const none = setup(0);
    for (let i = 0; i < calls; i++) expect(none.begin().trace).toBeNull();
  });

  test('not if its traceparent is not valid and the ratio says no', () => {
    const { begin } = setup(0);
    expect(begin(['traceparent', 'evil']).trace).toBeNull();
  });

  test('a limited number of times per second, also if clients ask for more', () => {
    const { spans, begin, end, clock, limited } = setup(0);
    for (let i = 0; i < sampledPerSecondMax + 50; i++) {
      const call = begin(parent('01'));
      const attempt = call.trace?.attempt(call.method, 'etcd');
      // The client's own decision reaches etcd unchanged.
      expect(attempt?.metadata[1]).toMatch(/-01$/);
      end(call);
    }
    expect([spans.length, limited()]).toEqual([sampledPerSecondMax, 50]);
    clock.advance(100);
    end(begin(parent('01')));
    expect(spans).toHaveLength(sampledPerSecondMax + 1);
  });

  test('also while other clients ask for more of their calls than are sampled', () => {
    const { spans, begin, end, limited } = setup(1);
    for (let i = 0; i < sampledPerSecondMax + 50; i++) end(begin(parent('01')));
    for (let i = 0; i < sampledPerSecondMax + 30; i++) end(begin());
    const drawn = spans.filter(({ parentSpanId }) => parentSpanId === '');
    expect([spans.length, drawn.length]).toEqual([2 * sampledPerSecondMax, sampledPerSecondMax]);
    expect(limited()).toBe(80);
  });

  test('or else passes on the context of its client unchanged', () => {
    const { begin, spans, end } = setup();
    const call = begin([...parent('00'), 'tracestate', 'a=1']);
    const attempt = call.trace?.attempt(call.method, 'etcd');
    expect(attempt?.metadata).toEqual([...parent('00'), 'tracestate', 'a=1']);
    attempt?.end(ok);
    end(call);
    expect(spans).toEqual([]);
  });
});

test('a call that the proxy makes for another one belongs to its trace', () => {
  const { begin } = setup();
  const call = begin();
  expect(call.derive(call.method).trace).toBe(call.trace);
});

test('IDs are never zero', () => {
  let fills = 0;
  const ids = new TraceIds((target) => target.fill(fills++ === 0 ? 0 : 5));
  expect(ids.traceId()).toBe('05'.repeat(16));
  expect(ids.spanId()).toBe('05'.repeat(8));
});
