import { describe, expect, test, vi } from 'vitest';
import { Call, type Etcd, type Responses, type Requests } from '../../../src/call/call.ts';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import type { Status } from '../../../src/grpc/status.ts';
import { OpenStreams } from '../../../src/lifecycle/drain.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const peer = { listener: 'l', remote: '', certificate: null };

function callOf(name: MethodName): Call {
  return new Call({ method: method(name), metadata: [], deadlineMs: Infinity, peer });
}

/** An etcd whose streams stay open, and what was done to them. */
function openEnded() {
  const replies: Responses<'tenant'>[] = [];
  const cancel = vi.fn<() => void>();
  const requests: Requests<'tenant'> = { send() {}, halfClose() {}, cancel, pauseResponses() {}, resumeResponses() {} };
  const etcd: Etcd<'tenant'> = {
    unary: () => requests,
    stream: (_call, reply) => {
      replies.push(reply);
      return requests;
    },
  };
  return { etcd, replies, cancel };
}

function listener(name: string, ends: [string, Status][]): Responses<'tenant'> {
  return { deliver() {}, pauseRequests() {}, resumeRequests() {}, end: (status) => void ends.push([name, status]) };
}

describe('draining', () => {
  test('streams end with Unavailable, spread over the window, keepalives last', async () => {
    vi.useFakeTimers();
    try {
      const streams = new OpenStreams(systemClock);
      const { etcd, cancel } = openEnded();
      const layer = streams.layer(etcd);
      const ends: [string, Status][] = [];
      layer.stream(callOf('etcdserverpb.Lease/LeaseKeepAlive'), listener('keepalive', ends));
      layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('watch 1', ends));
      layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('watch 2', ends));
      const done = streams.endAll(3000);
      expect(ends.map(([name]) => name)).toEqual(['watch 1']);
      await vi.advanceTimersByTimeAsync(1000);
      expect(ends.map(([name]) => name)).toEqual(['watch 1', 'watch 2']);
      await vi.advanceTimersByTimeAsync(1000);
      await done;
      expect(ends.map(([name]) => name)).toEqual(['watch 1', 'watch 2', 'keepalive']);
      expect(ends.map(([, s]) => [s.code, s.text])).toEqual(
        Array(3).fill([14, 'etcdserver: server stopped']),
      );
      expect(cancel).toHaveBeenCalledTimes(3);
      expect(streams.count).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a stream that ended or was cancelled before is left alone', async () => {
    const streams = new OpenStreams(systemClock);
    const { etcd, replies } = openEnded();
    const layer = streams.layer(etcd);
    const ends: [string, Status][] = [];
    layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('ended', ends));
    layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('cancelled', ends)).cancel();
    replies[0]?.end({ code: 0, text: '', trailers: [], origin: 'peer' });
    await streams.endAll(0);
    expect(ends.map(([name, s]) => [name, s.code])).toEqual([['ended', 0]]);
  });

  test('ten thousand streams do not take longer than the window', async () => {
    vi.useFakeTimers();
    try {
      const streams = new OpenStreams(systemClock);
      const layer = streams.layer(openEnded().etcd);
      const ends: [string, Status][] = [];
      for (let i = 0; i < 10_000; i++) {
        layer.stream(callOf('etcdserverpb.Watch/Watch'), listener(`${i}`, ends));
      }
      const done = streams.endAll(1000);
      await vi.advanceTimersByTimeAsync(500);
      expect(ends.length).toBeGreaterThan(4_000);
      expect(ends.length).toBeLessThan(6_500);
      await vi.advanceTimersByTimeAsync(500);
      await done;
      expect(ends.length).toBe(10_000);
    } finally {
      vi.useRealTimers();
    }
  });

  test('once draining, new streams are refused and unary calls still pass', async () => {
    const streams = new OpenStreams(systemClock);
    const layer = streams.layer(openEnded().etcd);
    await streams.endAll(0);
    const ends: [string, Status][] = [];
    layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('late', ends));
    expect(ends.map(([, s]) => s.text)).toEqual(['etcdserver: server stopped']);
    layer.unary(callOf('etcdserverpb.KV/Range'), new Uint8Array(0), listener('unary', ends));
    expect(ends.length).toBe(1);
  });

  test('a lock that waits for its turn ends too, and a new one is refused', async () => {
    const streams = new OpenStreams(systemClock);
    const { etcd, cancel } = openEnded();
    const layer = streams.layer(etcd);
    const ends: [string, Status][] = [];
    const lock = () =>
      layer.unary(callOf('v3lockpb.Lock/Lock'), new Uint8Array(0), listener('lock', ends));
    lock();
    await streams.endAll(0);
    expect(cancel).toHaveBeenCalledOnce();
    lock();
    expect(ends.map(([, s]) => s.text)).toEqual(Array(2).fill('etcdserver: server stopped'));
  });

  test('the streams of some end, and nobody else notices', async () => {
    const streams = new OpenStreams(systemClock);
    const { etcd, cancel } = openEnded();
    const layer = streams.layer(etcd);
    const ends: [string, Status][] = [];
    const over = callOf('etcdserverpb.Watch/Watch');
    layer.stream(over, listener('over', ends));
    layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('stays', ends));
    await streams.endWhere((call) => call === over, 0);
    expect(ends.map(([name, s]) => [name, s.code])).toEqual([['over', 14]]);
    expect([cancel.mock.calls.length, streams.count]).toEqual([1, 1]);
    layer.stream(callOf('etcdserverpb.Watch/Watch'), listener('new', ends));
    expect(streams.count).toBe(2);
  });
});
