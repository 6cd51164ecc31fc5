/** Peers that mean harm: each is bounded in memory and work, and harms nobody else. */
import { describe, expect, test } from 'vitest';
import { ErrorCode, FrameType } from '../../../src/http2/frame.ts';
import { limits } from '../../../src/http2/limits.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { frame, ServerUnderTest, settle, uint32 } from '../../support/raw-http2.ts';

const rst = (id: number): Buffer => frame(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8));

describe('a client that cancels', () => {
  test('100,000 calls on one connection lives on, and so does its watch', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.keepsStreams = false;
    let watch: { answer(body: Buffer, ended: boolean): void; isClosed: boolean } | null = null;
    server.onOpen = (stream) => {
      watch ??= stream;
    };
    server.begin();
    server.peer.send(server.peer.request(1, false));
    for (let round = 0; round < 100; round++) {
      const frames: Buffer[] = [];
      for (let i = 0; i < 1_000; i++) {
        const id = 3 + 2 * (round * 1_000 + i);
        frames.push(server.peer.request(id, false), rst(id));
      }
      server.peer.send(...frames);
      await settle();
      expect(server.connection.openStreams).toBe(1);
    }
    watch!.answer(Buffer.from('event'), false);
    await settle();
    expect(server.peer.dataBytes(1)).toBe(5);
    expect(server.peer.goAwayCode).toBeNull();
  });
});

describe('header blocks', () => {
  test('a list over the bound resets its stream, and the connection lives on', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    const { peer } = server;
    const large = 'x'.repeat(4_000);
    // A field of 4 kB enters the table once and is then named by one byte a time.
    const bomb = Buffer.concat([
      Buffer.from('82868401785f0161', 'hex').subarray(0, 2),
      peer.block(':path', '/a'),
      Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
      Buffer.from(large, 'latin1'),
      Buffer.alloc(10_000, 0xbe),
    ]);
    peer.send(frame(FrameType.HEADERS, 5, 1, bomb), peer.request(3));
    await settle();
    expect(peer.resetCode(1)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(server.streams).toHaveLength(1);
    expect(server.streams[0]!.id).toBe(3);
  });

  test.each([
    ['of empty frames', Buffer.alloc(0)],
    ['of full frames', Buffer.alloc(16_384)],
  ])('a flood of CONTINUATION %s closes the connection', async (_, payload) => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    const more = frame(FrameType.CONTINUATION, 0, 1, payload);
    server.peer.send(frame(FrameType.HEADERS, 0, 1, Buffer.from([0x83])), ...Array(20).fill(more));
    await settle();
    expect(server.peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(server.closed).toBe(1);
    expect(server.streams).toHaveLength(0);
  });
});

describe('floods of frames that carry nothing', () => {
  test.each([
    ['DATA', frame(FrameType.DATA, 0, 1)],
    ['PRIORITY', frame(FrameType.PRIORITY, 0, 1, Buffer.alloc(5))],
    ['SETTINGS', settingsFrame([])],
    ['SETTINGS acknowledgements', frame(FrameType.SETTINGS, 1, 0)],
    ['PING acknowledgements', frame(FrameType.PING, 1, 0, Buffer.alloc(8))],
    ['unknown types', frame(0xfe, 0, 0, Buffer.alloc(3))],
    ['RST_STREAM for streams that are gone', rst(3)],
  ])('%s close the connection', async (_, one) => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    server.peer.send(server.peer.request(1, false), server.peer.request(3), rst(3));
    for (let i = 0; i < 11; i++) {
      server.peer.send(...Array(1_000).fill(one));
      await settle();
    }
    expect(server.peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  });

  test('the same frames over a longer time are nothing to complain about', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    server.begin();
    server.peer.send(server.peer.request(1, false));
    for (let i = 0; i < 11; i++) {
      server.peer.send(...Array(1_000).fill(frame(FrameType.DATA, 0, 1)));
      await settle();
      clock.advance(2_000);
    }
    expect(server.peer.goAwayCode).toBeNull();
  });
});

describe('a peer that does not read', () => {
  test('has a bounded number of acknowledgements queued for it, and is then not read', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    server.begin();
    server.peer.send(server.peer.request(1, false));
    await settle();
    server.peer.wire.pause();
    // With answers in between the flood looks like an echo, so that nothing but the bound on what is queued stops it.
    let sent = 0;
    while (sent < 200_000 && !server.peer.wire.writableNeedDrain) {
      server.peer.send(...Array(100).fill(settingsFrame([])));
      server.streams[0]?.answer(Buffer.from('x'), false);
      sent += 100;
      await settle();
    }
    expect(server.peer.wire.writableNeedDrain).toBe(true);
    const { socket } = server.connection.core;
    expect(socket.writableLength).toBeLessThan(limits.socketBacklogBytesMax);
    clock.advance(limits.emptyFramesWindowMs);
    server.peer.wire.resume();
    await settle();
    await settle();
    expect(server.peer.goAwayCode).toBeNull();
    expect(server.peer.of(FrameType.SETTINGS).length).toBeGreaterThan(1_000);
  });

  test('gets DATA up to a bound, the rest waits in its stream and its producer pauses', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 0x7fff_ffff]);
    server.peer.send(
      frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff - 65_535)),
      server.peer.request(1),
    );
    await settle();
    server.peer.wire.pause();
    const stream = server.streams[0]!;
    stream.answer(Buffer.alloc(0), false);
    let sent = 0;
    while (!stream.mustWait() && sent < 1_000) {
      stream.sendData(Buffer.alloc(0), Buffer.alloc(16_384), false, false);
      sent += 1;
      await settle();
    }
    expect(sent * 16_384).toBeLessThan(
      limits.socketBacklogBytesMax + limits.streamQueueBytesMax + 262_144,
    );
    server.peer.wire.resume();
    await settle();
    await settle();
    expect(stream.drained).toBe(1);
    expect(server.peer.dataBytes(1)).toBe(sent * 16_384);
  });
});

describe('windows', () => {
  test('a stream without a window stalls alone, its bytes bounded', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 0]);
    server.peer.send(server.peer.request(1), server.peer.request(3));
    await settle();
    const [stalled, fine] = server.streams;
    stalled!.answer(Buffer.alloc(300_000));
    fine!.answer(Buffer.alloc(100));
    expect(stalled!.mustWait()).toBe(true);
    server.peer.send(frame(FrameType.WINDOW_UPDATE, 0, 3, uint32(100)));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(0);
    expect(server.peer.dataBytes(3)).toBe(100);
    server.peer.send(rst(1));
    await settle();
    expect(server.connection.openStreams).toBe(0);
  });

  test('a byte of window is a byte of DATA, no more work than the peer does itself', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 1]);
    server.peer.send(server.peer.request(1));
    await settle();
    server.streams[0]!.answer(Buffer.alloc(1_000));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(1);
    const one = frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1));
    server.peer.send(...Array(500).fill(one));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(501);
    // All that one read opened left in one frame.
    expect(server.peer.of(FrameType.DATA, 1)).toHaveLength(2);
  });

  test('a smaller initial window makes windows negative, and a larger one opens them again', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 100]);
    server.peer.send(server.peer.request(1));
    await settle();
    server.streams[0]!.answer(Buffer.alloc(250));
    await settle();
    server.peer.send(settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 10]]));
    server.peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(90)));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(100);
    server.peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1)));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(101);
    server.peer.send(settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 1_000]]));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(250);
  });

  test('a client that ignores our windows is cut off', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.onOpen = (stream) => stream.pauseReading();
    server.begin();
    server.peer.send(server.peer.request(1, false));
    const full = frame(FrameType.DATA, 0, 1, Buffer.alloc(16_384));
    for (let i = 0; i < 65; i++) server.peer.send(full);
    await settle();
    expect(server.peer.resetCode(1)).toBe(ErrorCode.FLOW_CONTROL_ERROR);
    expect(server.streams[0]!.resetBy).toBe(ErrorCode.FLOW_CONTROL_ERROR);
  });

  test('stopped streams hold a bounded number of bytes between them', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.onOpen = (stream) => stream.pauseReading();
    server.begin();
    const full = Buffer.alloc(16_384);
    for (let id = 1; id < 100; id += 2) {
      server.peer.send(server.peer.request(id, false));
      for (let i = 0; i < 64; i++) server.peer.send(frame(FrameType.DATA, 0, id, full));
      await settle();
    }
    const held = server.streams.filter((stream) => !stream.isClosed);
    expect(held.length * 1_048_576).toBeLessThanOrEqual(limits.pausedBytesMax);
    expect(server.peer.goAwayCode).toBeNull();
  });
});

describe('streams over the limit', () => {
  test('100,000 of them are refused one by one, and those below it live', async () => {
    const server = new ServerUnderTest(new ManualClock(), { streamsMax: 100 });
    server.begin();
    for (let round = 0; round < 100; round++) {
      const frames: Buffer[] = [];
      for (let i = 0; i < 1_001; i++) {
        frames.push(server.peer.request(1 + 2 * (round * 1_001 + i), false));
      }
      server.peer.send(...frames);
      await settle();
    }
    expect(server.streams).toHaveLength(100);
    expect(server.connection.openStreams).toBe(100);
    expect(server.peer.of(FrameType.RST_STREAM)).toHaveLength(100_000);
    expect(server.peer.resetCode(2 * 100_000 + 1)).toBe(ErrorCode.REFUSED_STREAM);
    expect(server.peer.goAwayCode).toBeNull();
  });
});

describe('silence', () => {
  test('a connection without SETTINGS is closed in time', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    clock.advance(limits.prefaceTimeoutMs + 1);
    await settle();
    expect(server.peer.goAwayCode).toBe(ErrorCode.SETTINGS_TIMEOUT);
    expect(server.closed).toBe(1);
  });

  test('a connection that nobody uses is asked to leave, and one that is used now and then is not', async () => {
    const clock = new ManualClock();
    const begun = () => {
      const server = new ServerUnderTest(clock);
      server.begin();
      return server;
    };
    const [unused, used, watching, pinging] = [begun(), begun(), begun(), begun()];
    const pong = frame(FrameType.PING, 1, 0, Buffer.alloc(8));
    await settle();
    watching.peer.send(watching.peer.request(1, false));
    await settle();
    for (let hour = 1; hour <= 12; hour++) {
      clock.advance(3_600_000);
      // An answer to a ping of ours is no use of the connection; a ping of the client's is.
      for (const { peer } of [unused, used, watching, pinging]) peer.send(pong);
      if (hour % 2 === 0) used.peer.send(used.peer.request(hour + 1, false), rst(hour + 1));
      if (hour % 2 === 0) pinging.peer.send(ping);
      await settle();
    }
    expect(unused.peer.of(FrameType.GOAWAY)).not.toHaveLength(0);
    expect(unused.closed).toBe(1);
    expect(used.peer.of(FrameType.GOAWAY)).toHaveLength(0);
    expect(watching.peer.of(FrameType.GOAWAY)).toHaveLength(0);
    expect(pinging.peer.of(FrameType.GOAWAY)).toHaveLength(0);
  });

  test('a half-open connection is found out by a ping that nobody answers', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    server.begin();
    server.peer.send(server.peer.request(1, false));
    await settle();
    clock.advance(7_200_001);
    clock.advance(7_200_001);
    await settle();
    expect(server.peer.of(FrameType.PING)).toHaveLength(1);
    clock.advance(20_001);
    expect(server.streams[0]!.lost).toBe('keepalive ping was not acknowledged in time');
    expect(server.closed).toBe(1);
  });
});

describe('pings, as etcd polices them', () => {
  async function pings(intervalMs: number, count: number, hasStream: boolean) {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    server.begin();
    if (hasStream) server.peer.send(server.peer.request(1, false));
    for (let i = 0; i < count; i++) {
      server.peer.send(ping);
      await settle();
      clock.advance(intervalMs);
    }
    return server;
  }

  test('every 5 s with a stream open is fine', async () => {
    expect((await pings(5_000, 20, true)).peer.goAwayCode).toBeNull();
  });

  test('the third early one is too many', async () => {
    expect((await pings(4_999, 3, true)).peer.goAwayCode).toBeNull();
    const { peer } = await pings(4_999, 4, true);
    expect(peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(peer.of(FrameType.GOAWAY)[0]!.payload.toString('latin1', 8)).toBe('too_many_pings');
  });

  test('without a stream they may come every two hours', async () => {
    expect((await pings(60_000, 4, false)).peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect((await pings(7_200_000, 10, false)).peer.goAwayCode).toBeNull();
  });

  test('answers that were sent forgive them all', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    server.peer.send(server.peer.request(1, false));
    await settle();
    server.streams[0]!.answer(Buffer.from('x'), false);
    for (let i = 0; i < 50; i++) {
      server.peer.send(ping);
      await settle();
      server.streams[0]!.sendData(Buffer.alloc(0), Buffer.from('x'), false, false);
    }
    expect(server.peer.goAwayCode).toBeNull();
  });
});
