import { describe, expect, test, vi } from 'vitest';
import type { Status } from '../../../src/grpc/status.ts';
import { drain, OpenStreams } from '../../../src/lifecycle/drain.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

/** The layer over an etcd whose streams stay open. */
function setUp() {
  const streams = new OpenStreams(systemClock);
  const etcd = new FakeEtcd<'tenant'>();
  const layer = onBytes(drain(streams)(etcd));
  const cancelled = () => etcd.calls.filter(({ isCancelled }) => isCancelled).length;
  return { streams, etcd, layer, cancelled };
}

/** A caller that adds its name and status to `ends`. */
function caller(name: string, ends: [string, Status][]): Caller {
  const above = new Caller();
  const end = above.end.bind(above);
  above.end = (status) => {
    end(status);
    ends.push([name, status]);
  };
  return above;
}

describe('draining', () => {
  test('streams end with Unavailable, spread over the window, keepalives last', async () => {
    vi.useFakeTimers();
    try {
      const { streams, layer, cancelled } = setUp();
      const ends: [string, Status][] = [];
      layer.stream(callOf('etcdserverpb.Lease/LeaseKeepAlive'), caller('keepalive', ends));
      layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('watch 1', ends));
      layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('watch 2', ends));
      const done = streams.endAll(300);
      expect(ends.map(([name]) => name)).toEqual(['watch 1']);
      await vi.advanceTimersByTimeAsync(100);
      expect(ends.map(([name]) => name)).toEqual(['watch 1', 'watch 2']);
      await vi.advanceTimersByTimeAsync(100);
      await done;
      expect(ends.map(([name]) => name)).toEqual(['watch 1', 'watch 2', 'keepalive']);
      expect(ends.map(([, s]) => [s.code, s.text])).toEqual(
        Array(3).fill([14, 'etcdserver: server stopped']),
      );
      expect(cancelled()).toBe(3);
      expect(streams.count).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a few streams end earlier than the window, so that a proxy with few clients restarts quickly', async () => {
    vi.useFakeTimers();
    try {
      const { streams, layer, cancelled } = setUp();
      for (let i = 0; i < 3; i += 1) layer.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
      const done = streams.endAll(5000);
      await vi.advanceTimersByTimeAsync(400);
      await done;
      expect(cancelled()).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a stream that ended or was cancelled before is not ended again', async () => {
    const { streams, etcd, layer } = setUp();
    const ends: [string, Status][] = [];
    layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('ended', ends));
    layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('cancelled', ends)).cancel();
    etcd.calls[0]?.end();
    await streams.endAll(0);
    expect(ends.map(([name, s]) => [name, s.code])).toEqual([['ended', 0]]);
  });

  test('ten thousand streams do not take longer than the window', async () => {
    vi.useFakeTimers();
    try {
      const { streams, layer } = setUp();
      const ends: [string, Status][] = [];
      for (let i = 0; i < 10_000; i++) {
        layer.stream(callOf('etcdserverpb.Watch/Watch'), caller(`${i}`, ends));
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

  test('once draining, new streams are rejected and unary calls still pass', async () => {
    const { streams, layer } = setUp();
    await streams.endAll(0);
    const ends: [string, Status][] = [];
    layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('late', ends));
    expect(ends.map(([, s]) => s.text)).toEqual(['etcdserver: server stopped']);
    layer.unary(callOf('etcdserverpb.KV/Range'), new Uint8Array(0), caller('unary', ends));
    expect(ends.length).toBe(1);
  });

  test('a waiting lock ends too, and a new one is rejected', async () => {
    const { streams, layer, cancelled } = setUp();
    const ends: [string, Status][] = [];
    const lock = () =>
      layer.unary(callOf('v3lockpb.Lock/Lock'), new Uint8Array(0), caller('lock', ends));
    lock();
    await streams.endAll(0);
    expect(cancelled()).toBe(1);
    lock();
    expect(ends.map(([, s]) => s.text)).toEqual(Array(2).fill('etcdserver: server stopped'));
  });

  test('only the selected streams end', async () => {
    const { streams, layer, cancelled } = setUp();
    const ends: [string, Status][] = [];
    const over = callOf('etcdserverpb.Watch/Watch');
    layer.stream(over, caller('over', ends));
    layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('stays', ends));
    await streams.endWhere((call) => call === over, 0);
    expect(ends.map(([name, s]) => [name, s.code])).toEqual([['over', 14]]);
    expect([cancelled(), streams.count]).toEqual([1, 1]);
    layer.stream(callOf('etcdserverpb.Watch/Watch'), caller('new', ends));
    expect(streams.count).toBe(2);
  });
});
