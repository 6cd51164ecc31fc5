import { describe, expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { ChannelGroup, connectionsMax } from '../../../src/upstream/channel-group.ts';
import { Caller } from '../../support/caller.ts';
import { FakeChannel } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const address = { host: '127.0.0.1', port: 1 };
const options = { address, tls: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 };
const head = { path: '/etcdserverpb.Watch/Watch', metadata: [], timeoutMs: Infinity };

/** A group whose connections permit `streamsMax` streams each. */
function setUp(streamsMax: number, isLazy = false) {
  const clock = new ManualClock();
  const channels: FakeChannel[] = [];
  let changes = 0;
  const group = new ChannelGroup({
    dial: () => {
      const channel = new FakeChannel(options);
      channel.streamsMax = streamsMax;
      channels.push(channel);
      return channel;
    },
    clock,
    isLazy,
    onChange: () => {
      changes += 1;
    },
  });
  const at = (index: number): FakeChannel => {
    const channel = channels[index];
    if (channel === undefined) throw new Error(`no connection ${index}`);
    return channel;
  };
  return {
    clock,
    group,
    channels,
    at,
    changes: () => changes,
    /** Opens a stream as the upstream does, and notifies the group as a transport does when the last slot is taken. */
    open: () => {
      const channel = group.pick() as FakeChannel;
      channel.stream(head, new Caller());
      if (!channel.hasRoom) channel.onState?.();
      return channel;
    },
    /** Ends the oldest stream of a connection. */
    end: (index: number) => {
      at(index)
        .calls.find(({ isEnded }) => !isEnded)
        ?.end(status(Code.OK, '', 'peer'));
      at(index).onState?.();
    },
  };
}

describe('a server that limits the streams of a connection', () => {
  test('gets another connection when all are full', () => {
    const { group, channels, at, open } = setUp(2);
    at(0).become('ready');
    expect([open(), open()]).toEqual([at(0), at(0)]);
    expect(group.isFull).toBe(true);
    expect(channels).toHaveLength(2);
    at(1).become('ready');
    expect([group.isFull, group.hasRoom, group.connections]).toEqual([false, true, 2]);
    expect(open()).toBe(at(1));
  });

  test('gets one connection at a time, and no more than the limit', () => {
    const { group, channels, at, open } = setUp(1);
    at(0).become('ready');
    for (let i = 0; i < connectionsMax; i++) {
      open();
      at(0).onState?.();
      if (i + 1 < connectionsMax) at(i + 1).become('ready');
    }
    expect(channels).toHaveLength(connectionsMax);
    expect([group.isFull, group.connections]).toEqual([true, connectionsMax]);
  });

  test('is reported as having room again when a stream ends', () => {
    const { group, at, open, end, changes } = setUp(1);
    at(0).become('ready');
    open();
    const before = changes();
    end(0);
    expect(changes()).toBeGreaterThan(before);
    expect(group.hasRoom).toBe(true);
  });

  test('keeps an additional connection for half a minute without streams', () => {
    const { group, at, open, end, clock } = setUp(1);
    at(0).become('ready');
    open();
    at(1).become('ready');
    open();
    end(1);
    clock.advance(20_000);
    expect(at(1).state).toBe('ready');
    clock.advance(20_000);
    expect(at(1).state).toBe('closed');
    expect(group.connections).toBe(1);
  });

  test('that permits no stream at all gets a new connection now and then, until one works', () => {
    const { group, channels, at, clock } = setUp(0);
    at(0).become('ready');
    expect(channels).toHaveLength(2);
    at(1).become('ready');
    expect(channels).toHaveLength(2);
    clock.advance(2_000);
    expect([at(0).state, at(1).state]).toEqual(['closed', 'closed']);
    expect(channels).toHaveLength(3);
    at(2).streamsMax = 100;
    at(2).become('ready');
    expect(group.hasRoom).toBe(true);
    clock.advance(60_000);
    expect(at(2).state).toBe('ready');
    expect(group.connections).toBe(1);
  });
});

describe('a connection that is replaced', () => {
  test('takes no more calls, and is closed when its calls have ended', () => {
    const { group, at, open, end, clock } = setUp(10);
    at(0).become('ready');
    open();
    group.replace();
    expect(group.state).toBe('connecting');
    at(1).become('ready');
    expect(open()).toBe(at(1));
    clock.advance(10_000);
    expect(at(0).state).toBe('ready');
    end(0);
    clock.advance(2_000);
    expect([at(0).state, at(1).state]).toEqual(['closed', 'ready']);
  });
});

describe('a lazy group', () => {
  test('has no connection until it is dialed, and one then', () => {
    const { group, channels, at } = setUp(10, true);
    expect([group.state, group.hasRoom, channels.length]).toEqual(['idle', false, 0]);
    group.dial();
    group.dial();
    expect([group.state, group.isDialing, channels.length]).toEqual(['connecting', true, 1]);
    at(0).become('ready');
    expect([group.state, group.hasRoom, group.isDialing]).toEqual(['ready', true, false]);
  });

  test('is idle again at once when its address works and its connection is in backoff', () => {
    const { group, at } = setUp(10, true);
    group.dial();
    at(0).become('failed', 'reset');
    group.endBackoff();
    expect([group.state, at(0).state]).toEqual(['idle', 'closed']);
    group.dial();
    expect([group.state, group.isDialing]).toEqual(['connecting', true]);
  });

  test('keeps a lost connection while a server that is going away still serves its streams', () => {
    const { group, at, open } = setUp(10, true);
    group.dial();
    at(0).become('ready');
    open();
    at(0).become('failed', 'the server is going away');
    group.endBackoff();
    expect([group.state, at(0).state]).toEqual(['failed', 'failed']);
  });

  test('that is not lazy keeps its backoff', () => {
    const { group, at } = setUp(10);
    at(0).become('failed', 'reset');
    group.endBackoff();
    expect(group.state).toBe('failed');
  });
});

test('closing a group closes all its connections and leaves no timer', () => {
  const { group, at, open, clock } = setUp(1);
  at(0).become('ready');
  open();
  group.replace();
  group.close();
  expect([at(0).state, at(1).state, at(2).state]).toEqual(['closed', 'closed', 'closed']);
  expect(clock.pendingTimers).toBe(0);
});
