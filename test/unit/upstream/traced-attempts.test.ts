/** Attempts of a call that is traced: what etcd receives, and when the span of an attempt ends. */
import { expect, test } from 'vitest';
import type { CallTrace } from '../../../src/call/trace.ts';
import { Code, type Status, status } from '../../../src/grpc/status.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Caller } from '../../support/caller.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { callOf, message } from '../../support/test-call.ts';

class Trace implements CallTrace {
  readonly endpoints: string[] = [];
  readonly ends: number[] = [];
  attempt(_: unknown, endpoint: string) {
    this.endpoints.push(endpoint);
    return {
      metadata: ['traceparent', `of attempt ${this.endpoints.length}`],
      end: ({ code }: Status) => void this.ends.push(code),
    };
  }
}

function setUp() {
  const clock = new ManualClock();
  const transport = new FakeClientTransport();
  transport.isReachable = true;
  const upstream = new Upstream({
    memory: memoryOf(),
    endpoints: [{ name: 'http://e1', address: { host: '127.0.0.1', port: 1 }, tls: null }],
    passesCredentials: () => false,
    login: null,
    mayMoveStreams: () => true,
    onLoginFailure: null,
    onClusterReplaced: null,
    keepaliveMs: 10_000,
    keepaliveTimeoutMs: 5_000,
    transport,
    clock,
    random: { integer: (min) => min },
  });
  for (const channel of transport.to(1)) channel.become('ready');
  const trace = new Trace();
  const call = (name: 'etcdserverpb.KV/Put' | 'etcdserverpb.Watch/Watch') => {
    const traced = callOf(name, {
      metadata: ['hasleader', 'true', 'traceparent', 'of the client'],
    });
    traced.trace = trace;
    return traced;
  };
  return {
    trace,
    calls: () => transport.to(1).flatMap((channel) => channel.clientCalls),
    put: () => upstream.unary(call('etcdserverpb.KV/Put'), message('request'), new Caller()),
    watch: () => upstream.stream(call('etcdserverpb.Watch/Watch'), new Caller()),
  };
}

test('each attempt has its own context, in place of that of the client', () => {
  const { put, watch, calls, trace } = setUp();
  put();
  put();
  watch();
  expect(calls().map(({ head }) => head.metadata)).toEqual(
    [1, 2, 3].map((i) => ['hasleader', 'true', 'traceparent', `of attempt ${i}`]),
  );
  expect(new Set(trace.endpoints)).toEqual(new Set(['http://e1']));
  expect(trace.ends).toEqual([]);
});

test('the span of an attempt ends with its status, or with the cancel of its caller', () => {
  for (const start of ['put', 'watch'] as const) {
    const { calls, trace, ...starts } = setUp();
    starts[start]();
    calls()[0]?.end(status(Code.OUT_OF_RANGE, 'compacted', 'peer'));
    const cancelled = starts[start]();
    cancelled.cancel();
    cancelled.cancel();
    expect(trace.ends).toEqual([Code.OUT_OF_RANGE, Code.CANCELLED]);
  }
});
