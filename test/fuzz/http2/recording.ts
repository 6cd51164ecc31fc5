/**
 * Recorded connections for the fuzzers: the frames that a client or a server sends, a fake socket to feed them to, and the
 * methods that are called.
 */
import { EventEmitter } from 'node:events';
import type { ServedMethod } from '../../../src/grpc/transport.ts';
import { FrameType } from '../../../src/http2/frame.ts';
import { HeaderTemplate, HpackEncoder } from '../../../src/http2/hpack/encoder.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { frame, uint32 } from '../../support/raw-http2.ts';
import type { Seeded } from '../../support/seeded.ts';

export const unary: ServedMethod = {
  path: '/t.S/Unary',
  requestStream: false,
  responseStream: false,
};
export const chat: ServedMethod = { path: '/t.S/Chat', requestStream: true, responseStream: true };

/** The part of a socket that the engine uses. It accepts every write and counts the bytes. */
export class FakeSocket extends EventEmitter {
  writable = true;
  destroyed = false;
  writtenBytes = 0;
  readonly writableLength = 0;
  readonly writableNeedDrain = false;
  setNoDelay(): void {}
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  write(bytes: Uint8Array): boolean {
    this.writtenBytes += bytes.length;
    return true;
  }
  end(): void {
    this.writable = false;
  }
  destroy(): void {
    this.writable = false;
    this.destroyed = true;
  }
}

function message(bytes: number): Buffer {
  const framed = Buffer.alloc(5 + bytes, 0x61);
  framed[0] = 0;
  framed.writeUInt32BE(bytes, 1);
  return framed;
}

/** Frames of a client: unary and streaming calls, cancellations, pings, split header blocks, padding. */
export function clientRecording(random: Seeded, bodyBytesMax = 3_000): Buffer[] {
  const encoder = new HpackEncoder(4096);
  const templates = [unary, chat].map(
    ({ path }) =>
      new HeaderTemplate(
        [
          ...[':method', 'POST', ':scheme', 'http', ':path', path, ':authority', 'a'],
          ...['content-type', 'application/grpc', 'te', 'trailers', 'token', 'secret'],
        ],
        true,
      ),
  );
  const frames = [settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 1_000]])];
  for (let id = 1; id < 30; id += 2) {
    const block = encoder.encode(random.pick(templates));
    const cut = random.below(block.length);
    if (random.chance(0.3)) {
      frames.push(frame(FrameType.HEADERS, 0, id, block.subarray(0, cut)));
      frames.push(frame(FrameType.CONTINUATION, 4, id, block.subarray(cut)));
    } else frames.push(frame(FrameType.HEADERS, 4, id, block));
    const body = Buffer.concat([message(random.below(50)), message(random.below(bodyBytesMax))]);
    const split = random.below(body.length);
    frames.push(frame(FrameType.DATA, 0, id, body.subarray(0, split)));
    const padded = Buffer.concat([Buffer.from([3]), body.subarray(split), Buffer.alloc(3)]);
    frames.push(frame(FrameType.DATA, random.chance(0.7) ? 9 : 8, id, padded));
    if (random.chance(0.3)) frames.push(frame(FrameType.RST_STREAM, 0, id, uint32(8)));
    if (random.chance(0.5)) frames.push(frame(FrameType.WINDOW_UPDATE, 0, id, uint32(500)));
    if (random.chance(0.2)) frames.push(frame(FrameType.PING, 0, 0, Buffer.alloc(8)));
    if (random.chance(0.1)) {
      frames.push(settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, random.below(100_000)]]));
    }
    if (random.chance(0.1)) frames.push(settingsFrame([[SettingId.HEADER_TABLE_SIZE, 0]]));
    if (random.chance(0.1)) frames.push(frame(FrameType.PRIORITY, 0, id, Buffer.alloc(5)));
    if (random.chance(0.05)) frames.push(frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(8)));
  }
  return frames;
}

/** Frames of a server that responds to fifteen calls. */
export function serverRecording(random: Seeded, bodyBytesMax = 3_000): Buffer[] {
  const encoder = new HpackEncoder(4096);
  const head = new HeaderTemplate([':status', '200', 'content-type', 'application/grpc'], true);
  const trailers = [
    new HeaderTemplate(['grpc-status', '0'], true),
    new HeaderTemplate(['grpc-status', '14', 'grpc-message', 'no%20leader', 'x', 'y'], true),
  ];
  const frames = [settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 1_000]])];
  for (let id = 1; id < 30; id += 2) {
    frames.push(frame(FrameType.HEADERS, 4, id, encoder.encode(head)));
    const body = message(random.below(bodyBytesMax));
    // Mostly in one frame, as etcd sends them.
    const split = random.chance(0.6) ? 0 : random.below(body.length);
    if (split > 0) frames.push(frame(FrameType.DATA, 0, id, body.subarray(0, split)));
    frames.push(frame(FrameType.DATA, 0, id, body.subarray(split)));
    if (random.chance(0.2)) frames.push(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(9)));
    if (random.chance(0.1)) frames.push(frame(FrameType.RST_STREAM, 0, id, uint32(7)));
    if (random.chance(0.8)) {
      frames.push(frame(FrameType.HEADERS, 5, id, encoder.encode(random.pick(trailers))));
    }
    if (random.chance(0.03)) {
      frames.push(frame(FrameType.GOAWAY, 0, 0, Buffer.concat([uint32(id), uint32(0)])));
    }
  }
  return frames;
}
