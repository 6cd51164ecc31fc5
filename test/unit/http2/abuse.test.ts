/** Hostile peers: the memory and work that each can cause is bounded, and other streams and connections are not affected. */
import { describe, expect, test } from 'vitest';
import { ErrorCode, FrameType } from '../../../src/http2/frame.ts';
import { limits } from '../../../src/http2/limits.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { frame, ServerUnderTest, settle, uint32 } from '../../support/raw-http2.ts';

const rst = (id: number): Buffer => frame(FrameType.RST_STREAM, 0, id, uint32(ErrorCode.CANCEL));
const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8));

describe('a client that cancels', () => {
  test('100,000 calls on one connection keeps the connection and its watch', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.keepsStreams = false;
    let watch: { respond(body: Buffer, ended: boolean): void; isClosed: boolean } | null = null;
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
    watch!.respond(Buffer.from('event'), false);
    await settle();
    expect(server.peer.dataBytes(1)).toBe(5);
    expect(server.peer.goAwayCode).toBeNull();
  });
});

describe('header blocks', () => {
  test('a header list over the limit resets its stream and not the connection', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    const { peer } = server;
    const large = 'x'.repeat(4_000);
    // A field of 4 kB enters the table once; each further byte of the block refers to it.
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
    ['RST_STREAM for closed streams', rst(3)],
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

  test('the same frames over a longer time are accepted', async () => {
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
  test('gets a bounded number of acknowledgements queued, and then reading from it stops', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    server.begin();
    server.peer.send(server.peer.request(1, false));
    await settle();
    server.peer.wire.pause();
    // The responses in between reset the count of empty frames, so only the limit of queued control frames applies.
    let sent = 0;
    while (sent < 200_000 && !server.peer.wire.writableNeedDrain) {
      server.peer.send(...Array(100).fill(settingsFrame([])));
      server.streams[0]?.respond(Buffer.from('x'), false);
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

  test('gets DATA up to a limit; the rest is queued in its stream, and the producer pauses', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 0x7fff_ffff]);
    server.peer.send(
      frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff - 65_535)),
      server.peer.request(1),
    );
    await settle();
    server.peer.wire.pause();
    const stream = server.streams[0]!;
    stream.respond(Buffer.alloc(0), false);
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
  test('a stream without window does not stall other streams, and its queue is bounded', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 0]);
    server.peer.send(server.peer.request(1), server.peer.request(3));
    await settle();
    const [stalled, other] = server.streams;
    stalled!.respond(Buffer.alloc(300_000));
    other!.respond(Buffer.alloc(100));
    expect(stalled!.mustWait()).toBe(true);
    server.peer.send(frame(FrameType.WINDOW_UPDATE, 0, 3, uint32(100)));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(0);
    expect(server.peer.dataBytes(3)).toBe(100);
    server.peer.send(rst(1));
    await settle();
    expect(server.connection.openStreams).toBe(0);
  });

  test('window updates of one byte in one read are combined into one DATA frame', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 1]);
    server.peer.send(server.peer.request(1));
    await settle();
    server.streams[0]!.respond(Buffer.alloc(1_000));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(1);
    const one = frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1));
    server.peer.send(...Array(500).fill(one));
    await settle();
    expect(server.peer.dataBytes(1)).toBe(501);
    expect(server.peer.of(FrameType.DATA, 1)).toHaveLength(2);
  });

  test('a smaller initial window makes stream windows negative, and a larger one reopens them', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin([SettingId.INITIAL_WINDOW_SIZE, 100]);
    server.peer.send(server.peer.request(1));
    await settle();
    server.streams[0]!.respond(Buffer.alloc(250));
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

  test('a stream that exceeds its window is reset', async () => {
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

  test('paused streams together hold a bounded number of bytes', async () => {
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
  test('100,000 of them are rejected one by one, and those below the limit continue', async () => {
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
  test('a connection without SETTINGS is closed after the time limit', async () => {
    const clock = new ManualClock();
    const server = new ServerUnderTest(clock);
    clock.advance(limits.settingsTimeoutMs + 1);
    await settle();
    expect(server.peer.goAwayCode).toBe(ErrorCode.SETTINGS_TIMEOUT);
    expect(server.closed).toBe(1);
  });

  test('an unused connection gets GOAWAY, and one that is used now and then does not', async () => {
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
      // Acknowledging the server's ping does not count as use; sending a ping does.
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

  test('a half-open connection is closed after a ping without acknowledgement', async () => {
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

describe('the ping policy of etcd', () => {
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

  test('accepts a ping every 5 s while a stream is open', async () => {
    expect((await pings(5_000, 20, true)).peer.goAwayCode).toBeNull();
  });

  test('closes the connection on the third early ping', async () => {
    expect((await pings(4_999, 3, true)).peer.goAwayCode).toBeNull();
    const { peer } = await pings(4_999, 4, true);
    expect(peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(peer.of(FrameType.GOAWAY)[0]!.payload.toString('latin1', 8)).toBe('too_many_pings');
  });

  test('accepts a ping every two hours without a stream', async () => {
    expect((await pings(60_000, 4, false)).peer.goAwayCode).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect((await pings(7_200_000, 10, false)).peer.goAwayCode).toBeNull();
  });

  test('clears all strikes when a response is sent', async () => {
    const server = new ServerUnderTest(new ManualClock());
    server.begin();
    server.peer.send(server.peer.request(1, false));
    await settle();
    server.streams[0]!.respond(Buffer.from('x'), false);
    for (let i = 0; i < 50; i++) {
      server.peer.send(ping);
      await settle();
      server.streams[0]!.sendData(Buffer.alloc(0), Buffer.from('x'), false, false);
    }
    expect(server.peer.goAwayCode).toBeNull();
  });
});
