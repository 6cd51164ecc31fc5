/** A client's connection against a server that sends raw frames. */
import { describe, expect, test } from 'vitest';
import { ClientConnection } from '../../../src/http2/client-connection.ts';
import { clientPreface, ErrorCode, FrameType } from '../../../src/http2/frame.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import { limits } from '../../../src/http2/limits.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { Stream } from '../../../src/http2/stream.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { frame, RawPeer, settle, uint32, wirePair } from '../../support/raw-http2.ts';

const nothing = Buffer.alloc(0);

class Requested extends Stream {
  outcome = '';
  /** Called when the stream is lost, as a caller may do that sends an unsent request again. */
  retry: () => void = () => {};
  override onHeaders(): void {
    this.outcome ||= 'response';
  }
  override onData(): void {}
  override onTrailers(): void {}
  override onReset(code: number): void {
    this.outcome = `reset ${code}`;
  }
  override onLost(reason: string, isUnsent: boolean): void {
    this.outcome = `${isUnsent ? 'unsent' : 'lost'}: ${reason}`;
    this.retry();
  }
  override onDrained(): void {}
}

async function dial(...settings: [number, number][]) {
  const clock = new ManualClock();
  const [near, far] = wirePair();
  const log: string[] = [];
  const connection: ClientConnection = new ClientConnection({
    socket: near,
    clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false },
    onBug: (bug) => {
      throw bug;
    },
    owner: {
      onReady: () => log.push('ready'),
      onGoingAway: (_, code, text) => log.push(`going away: ${code} ${text}`),
      onRoom: () => {},
      onClosed: (closed) => log.push(`closed: ${closed.failure}`),
    },
  });
  await settle();
  expect(far.read(clientPreface.length)).toEqual(clientPreface);
  const peer = new RawPeer(far);
  peer.send(settingsFrame(settings));
  await settle();
  const open = (ended = true): Requested => {
    const stream = new Requested(connection.core);
    const fields = [':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'x'];
    connection.open(stream, new HeaderTemplate(fields, true), null, ended);
    return stream;
  };
  return { clock, connection, peer, log, open };
}

const goAway = (last: number, code: number, text = '') =>
  frame(FrameType.GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code), Buffer.from(text)]));

describe('a response', () => {
  test.each([
    [60_000, 'response'],
    [70_000, `reset ${ErrorCode.ENHANCE_YOUR_CALM}`],
  ])('with %d bytes of headers: %s', async (bytes, outcome) => {
    const { peer, open, connection } = await dial();
    const stream = open();
    await settle();
    const block = peer.block(':status', '200', 'grpc-message', 'x'.repeat(bytes));
    const pieces: Buffer[] = [];
    for (let at = 0; at < block.length; at += limits.frameBytesMax) {
      const flags = (at === 0 ? 1 : 0) | (at + limits.frameBytesMax >= block.length ? 4 : 0);
      const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
      pieces.push(frame(type, flags, 1, block.subarray(at, at + limits.frameBytesMax)));
    }
    peer.send(...pieces);
    await settle();
    expect(stream.outcome).toBe(outcome);
    expect(connection.isOpen).toBe(true);
  });
});

describe('GOAWAY', () => {
  test('ends the streams above the last one as unsent, and lets the others finish', async () => {
    const { peer, open, connection, log } = await dial();
    const [first, second] = [open(), open()];
    await settle();
    peer.send(goAway(1, ErrorCode.NO_ERROR, 'bye'));
    await settle();
    expect(second.outcome).toBe('unsent: bye');
    expect(first.outcome).toBe('');
    expect(connection.canOpen).toBe(false);
    expect(log).toEqual(['ready', 'going away: 0 bye']);
    peer.send(frame(FrameType.HEADERS, 5, 1, Buffer.from([0x88])));
    await settle();
    expect(first.outcome).toBe('response');
    expect(log.at(-1)).toBe('closed: going away');
  });

  test('is announced before its streams end, so that none of them is sent again on the connection', async () => {
    const { peer, open, connection, log } = await dial();
    const [first, second] = [open(), open()];
    second.retry = () => {
      log.push(`unsent, can open: ${connection.canOpen}`);
      if (connection.canOpen) open();
    };
    await settle();
    peer.send(goAway(1, ErrorCode.NO_ERROR, 'bye'));
    await settle();
    expect(log).toEqual(['ready', 'going away: 0 bye', 'unsent, can open: false']);
    expect(peer.of(FrameType.HEADERS).map((each) => each.streamId)).toEqual([1, 3]);
    expect(first.outcome).toBe('');
    expect(connection.openStreams).toBe(1);
  });

  test('does not end a stream twice that was reset by the end of another', async () => {
    const { peer, open } = await dial();
    const streams = [open(), open()];
    for (const [i, stream] of streams.entries()) {
      stream.retry = () => streams[1 - i]?.reset(ErrorCode.CANCEL);
    }
    await settle();
    peer.send(goAway(0, ErrorCode.NO_ERROR, 'bye'));
    await settle();
    expect(streams.map((stream) => stream.outcome).sort()).toEqual(['', 'unsent: bye']);
  });

  test('in two steps does not abort streams that were opened between them', async () => {
    const { peer, open, log } = await dial();
    const first = open();
    await settle();
    peer.send(goAway(0x7fff_ffff, ErrorCode.NO_ERROR), goAway(1, ErrorCode.NO_ERROR));
    await settle();
    expect(first.outcome).toBe('');
    expect(log).toEqual(['ready', 'going away: 0 ']);
  });
});

describe('the concurrency limit of a server', () => {
  test('is respected: calls over it start when others end, and cancelled ones never start', async () => {
    const { peer, open, connection } = await dial([SettingId.MAX_CONCURRENT_STREAMS, 1]);
    const [first, second, third] = [open(), open(), open()];
    second.reset(ErrorCode.CANCEL);
    await settle();
    expect(peer.of(FrameType.HEADERS)).toHaveLength(1);
    peer.send(frame(FrameType.HEADERS, 5, 1, Buffer.from([0x88])));
    await settle();
    expect(first.outcome).toBe('response');
    expect(peer.of(FrameType.HEADERS).map((each) => each.streamId)).toEqual([1, 3]);
    expect(third.id).toBe(3);
    expect(connection.openStreams).toBe(1);
  });

  test('limits how many streams wait', async () => {
    const { open, connection } = await dial([SettingId.MAX_CONCURRENT_STREAMS, 0]);
    for (let i = 0; i < limits.waitingStreamsMax; i++) {
      expect(connection.canOpen).toBe(true);
      open();
    }
    expect(connection.canOpen).toBe(false);
  });

  test('aborts waiting streams as unsent on GOAWAY', async () => {
    const { peer, open } = await dial([SettingId.MAX_CONCURRENT_STREAMS, 0]);
    const waiting = open();
    peer.send(goAway(0, ErrorCode.NO_ERROR));
    await settle();
    expect(waiting.outcome).toMatch(/^unsent/);
  });

  test('DATA of a waiting stream is sent after its HEADERS', async () => {
    const { peer, open } = await dial([SettingId.MAX_CONCURRENT_STREAMS, 1]);
    open();
    const waiting = open(false);
    waiting.sendData(nothing, Buffer.from('body'), true, false);
    peer.send(frame(FrameType.HEADERS, 5, 1, Buffer.from([0x88])));
    await settle();
    expect(peer.dataBytes(3)).toBe(4);
    const order = peer.frames.filter((each) => each.streamId === 3).map((each) => each.type);
    expect(order).toEqual([FrameType.HEADERS, FrameType.DATA]);
  });
});

describe('keepalive', () => {
  test('sends pings only while streams are open', async () => {
    const { clock, peer, open } = await dial();
    clock.advance(60_000);
    await settle();
    expect(peer.of(FrameType.PING)).toHaveLength(0);
    open();
    clock.advance(10_000);
    await settle();
    expect(peer.of(FrameType.PING)).toHaveLength(1);
    peer.send(frame(FrameType.PING, 1, 0, Buffer.alloc(8)));
    await settle();
    clock.advance(5_000);
    clock.advance(10_000);
    await settle();
    expect(peer.of(FrameType.PING)).toHaveLength(2);
  });

  test('pings exactly one interval after the last byte, so that a dead peer is detected in time', async () => {
    const { clock, peer, open } = await dial();
    const call = open();
    clock.advance(7_000);
    peer.send(frame(FrameType.PING, 1, 0, Buffer.alloc(8)));
    await settle();
    clock.advance(9_999);
    await settle();
    expect(peer.of(FrameType.PING)).toHaveLength(0);
    clock.advance(1);
    await settle();
    expect(peer.of(FrameType.PING)).toHaveLength(1);
    clock.advance(5_000);
    expect(call.outcome).toBe('lost: keepalive ping was not acknowledged in time');
  });

  test('without acknowledgement ends the streams as lost, not as unsent', async () => {
    const { clock, open, log } = await dial();
    const call = open();
    clock.advance(15_000);
    expect(call.outcome).toBe('lost: keepalive ping was not acknowledged in time');
    expect(log.at(-1)).toBe('closed: keepalive ping was not acknowledged in time');
    expect(clock.pendingTimers).toBeLessThanOrEqual(1);
  });
});

describe('servers that violate the protocol', () => {
  test.each([
    ['pushing', frame(FrameType.PUSH_PROMISE, 4, 1, Buffer.alloc(5)), ErrorCode.PROTOCOL_ERROR],
    [
      'responding on a stream that was not opened',
      frame(FrameType.HEADERS, 5, 7, Buffer.from([0x88])),
      1,
    ],
    ['sending a malformed header block', frame(FrameType.HEADERS, 5, 1, Buffer.from([0x80])), 9],
    ['sending an empty window update', frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(0)), 1],
    ['overflowing the send window', frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff)), 3],
    ['announcing an illegal window', settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 2 ** 31]]), 3],
  ])('by %s lose the connection', async (_, bytes, code) => {
    const { peer, open, log } = await dial();
    const call = open();
    peer.send(bytes);
    await settle();
    expect(peer.goAwayCode).toBe(code);
    expect(call.outcome).toMatch(/^lost/);
    expect(log.at(-1)).toMatch(/^closed/);
  });

  test.each([
    ['DATA before HEADERS', frame(FrameType.DATA, 0, 1, Buffer.from('x'))],
    ['a second head', frame(FrameType.HEADERS, 4, 1, Buffer.from([0x88]))],
    ['an end without a head', frame(FrameType.HEADERS, 5, 1, Buffer.from([0x08, 3, 49, 48, 48]))],
  ])('by sending %s end only that call', async (what, bytes) => {
    const { peer, open } = await dial();
    const [bad, other] = [open(), open()];
    const head = frame(FrameType.HEADERS, 4, 1, Buffer.from([0x88]));
    peer.send(...(what === 'a second head' ? [head, bytes] : [bytes]));
    peer.send(frame(FrameType.HEADERS, 5, 3, Buffer.from([0x88])));
    await settle();
    expect(bad.outcome).toBe(`reset ${ErrorCode.PROTOCOL_ERROR}`);
    expect(other.outcome).toBe('response');
  });

  test('are not those that send late frames for cancelled streams', async () => {
    const { peer, open, connection } = await dial();
    const call = open();
    call.reset(ErrorCode.CANCEL);
    await settle();
    peer.send(
      frame(FrameType.HEADERS, 4, 1, Buffer.from([0x88])),
      frame(FrameType.DATA, 0, 1, Buffer.alloc(100)),
      frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(10)),
      frame(FrameType.RST_STREAM, 0, 1, uint32(0)),
    );
    await settle();
    expect(connection.isOpen).toBe(true);
    expect(peer.goAwayCode).toBeNull();
  });
});
