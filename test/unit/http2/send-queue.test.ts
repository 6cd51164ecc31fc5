/** The memory of responses that wait for a window: how it is counted, and how it is given back. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ErrorCode, FrameType } from '../../../src/http2/frame.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import { ServerConnection } from '../../../src/http2/server-connection.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { ByteHold, ByteShare } from '../../../src/runtime/byte-budget.ts';
import { allocateMemory } from '../../../src/runtime/large-memory.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  frame,
  RawPeer,
  RecordedStream,
  ServerUnderTest,
  settle,
  uint32,
} from '../../support/raw-http2.ts';
import { until } from '../../support/until.ts';

const responseBytes = 200_000;
const nothing = Buffer.alloc(0);

class Waiting extends ByteHold {
  readonly canShed = true;

  override onReserved(): void {}

  override onShed(): void {}
}

/** A server with open streams, each with a response that the engine owns. */
async function serve(bytesMax: number, streams: number, windowBytes: number) {
  const clock = new ManualClock();
  const share = new ByteShare('responses', bytesMax, clock);
  const server = new ServerUnderTest(clock, { queueAccount: share });
  const bodies: Buffer[] = [];
  server.onOpen = (stream: RecordedStream) => {
    const body = allocateMemory(responseBytes);
    bodies.push(body);
    stream.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
    stream.sendData(nothing, body, true, true);
  };
  server.begin([SettingId.INITIAL_WINDOW_SIZE, windowBytes]);
  for (let i = 0; i < streams; i++) server.peer.send(server.peer.request(2 * i + 1));
  await settle();
  return { server, share, bodies, peer: server.peer };
}

describe('a response that waits for a window', () => {
  test('counts until all of it was written', async () => {
    const { share, peer, bodies } = await serve(1_000_000, 1, 50_000);
    expect(share.bytes).toBe(responseBytes);
    peer.send(
      frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(responseBytes)),
      frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(responseBytes)),
    );
    await settle();
    expect([share.bytes, bodies[0]?.length]).toEqual([0, 0]);
  });

  test.each([
    ['untouched', 0],
    ['sent in part', 50_000],
  ])('is released when its stream is reset, %s', async (_, windowBytes) => {
    const { share, peer, bodies } = await serve(1_000_000, 1, windowBytes);
    peer.send(frame(FrameType.RST_STREAM, 0, 1, uint32(ErrorCode.CANCEL)));
    peer.send(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
    await settle();
    expect([share.bytes, bodies[0]?.length]).toEqual([0, 0]);
  });

  test.each([
    ['untouched', 0],
    ['sent in part', 50_000],
  ])('is released when its connection closes, %s', async (_, windowBytes) => {
    const { share, peer, bodies } = await serve(1_000_000, 1, windowBytes);
    peer.wire.destroy();
    await settle();
    expect([share.bytes, bodies[0]?.length]).toEqual([0, 0]);
  });

  test('is reset when the share is exhausted', async () => {
    const { share, peer, server } = await serve(500_000, 3, 0);
    expect(share.refusals).toBe(1);
    expect(share.bytes).toBe(2 * responseBytes);
    const reset = server.streams.filter(({ resetBy }) => resetBy === ErrorCode.ENHANCE_YOUR_CALM);
    expect(reset).toHaveLength(1);
    expect(peer.resetCode(reset[0]?.id ?? 0)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(server.connection.isOpen).toBe(true);
  });
});

test('bytes that a client leaves in its socket are given back by closing the connection', async () => {
  const clock = new ManualClock();
  const share = new ByteShare('responses', 3_000_000, clock);
  const connections: ServerConnection[] = [];
  const server = createServer((socket) => {
    const connection = new ServerConnection({
      socket,
      clock,
      keepAlive: { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true },
      onBug: (bug) => {
        throw bug;
      },
      streamsMax: 100,
      queueAccount: share,
      acceptor: {
        accept: (from) => {
          const stream = new RecordedStream(from);
          stream.onOpen = () => {
            stream.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
            stream.sendData(nothing, allocateMemory(2_000_000), true, true);
          };
          return stream;
        },
        onClosed() {},
      },
    });
    connections.push(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  const raw = new RawPeer(client);
  client.pause();
  const window = frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1_000_000_000));
  const settings = settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 1_000_000_000]]);
  raw.send(settings, window);
  // Until the socket takes no more, and a response is left in it.
  for (let id = 1; share.bytes === 0; id += 2) {
    raw.send(raw.request(id));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const waiting = new Waiting(share);
  waiting.reserve(2_500_000);
  expect(waiting.isReserved).toBe(false);
  for (let i = 0; i < 12; i++) clock.advance(250);
  await until('memory', () => waiting.isReserved);
  expect(connections.map(({ isOpen }) => isOpen)).toEqual([false]);
  client.destroy();
  server.close();
});
