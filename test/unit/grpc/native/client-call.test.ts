/** Calls of the native client, frame by frame, over a wire in memory. */

import { describe, expect, test } from 'vitest';
import { refusal } from '../../../../src/call/refusals.ts';
import { messagePrefix } from '../../../../src/grpc/message-framing.ts';
import { ClientCall } from '../../../../src/grpc/native/client-call.ts';
import { Code } from '../../../../src/grpc/status.ts';
import { ClientConnection } from '../../../../src/http2/client-connection.ts';
import { clientPreface, ErrorCode, FrameType } from '../../../../src/http2/frame.ts';
import { HeaderTemplate } from '../../../../src/http2/hpack/encoder.ts';
import { SettingId, settingsFrame } from '../../../../src/http2/settings.ts';
import { Deadlines } from '../../../../src/runtime/deadlines.ts';
import { Caller } from '../../../support/caller.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { memoryOf } from '../../../support/message-memory.ts';
import { frame, RawPeer, settle, uint32, wirePair } from '../../../support/raw-http2.ts';

const requestHead = [':method', 'POST', ':scheme', 'http', ':path', '/t.S/M', ':authority', 'x'];
const responseHead = [':status', '200', 'content-type', 'application/grpc'];
const okTrailers = ['grpc-status', '0'];
const callHead = { path: '/t.S/M', metadata: [], timeoutMs: Number.POSITIVE_INFINITY };

const message = (text: string) =>
  Buffer.concat([Buffer.from(messagePrefix(text.length)), Buffer.from(text)]);

/** A connection whose server sent `settings`. */
async function dial(...settings: [number, number][]) {
  const clock = new ManualClock();
  const [near, far] = wirePair();
  const faults: unknown[] = [];
  const memory = memoryOf({ bytesMax: 3_000_000, responseBytesMax: 100_000_000, clock });
  const onFault = (fault: unknown) => faults.push(fault);
  const connection = new ClientConnection({
    socket: near,
    clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false },
    onBug: onFault,
    owner: { onReady() {}, onRoom() {}, onGoingAway() {}, onClosed() {} },
  });
  await settle();
  far.read(clientPreface.length);
  const peer = new RawPeer(far);
  peer.send(settingsFrame(settings));
  await settle();
  const context = {
    deadlines: new Deadlines(clock),
    memory,
    onFault,
  };
  const open = ({ isUnary }: { isUnary: boolean }) => {
    const caller = new Caller();
    const call = new ClientCall(connection.core, context, callHead, caller, isUnary);
    connection.open(call, new HeaderTemplate(requestHead, true), null, false);
    return { call, caller };
  };
  const respond = (streamId: number, ...data: Buffer[]) =>
    peer.send(
      frame(FrameType.HEADERS, 4, streamId, peer.block(...responseHead)),
      ...data.map((bytes) => frame(FrameType.DATA, 0, streamId, bytes)),
      frame(FrameType.HEADERS, 5, streamId, peer.block(...okTrailers)),
    );
  return { connection, peer, faults, open, respond, memory, clock };
}

test('a stream has the same messages wherever it is cut into frames', async () => {
  const { open, respond, faults } = await dial();
  const texts = ['one', '', `a message inside: ${message('inner')}`, 'last'];
  const bytes = Buffer.concat(texts.map(message));
  const callers: Caller[] = [];
  for (let first = 1; first < bytes.length; first++) {
    for (let second = first + 1; second < bytes.length; second++) {
      const { call, caller } = open({ isUnary: false });
      callers.push(caller);
      call.halfClose();
      const [one, two] = [bytes.subarray(0, first), bytes.subarray(first, second)];
      respond(call.id, one, two, bytes.subarray(second), message('after'));
    }
  }
  await settle();
  for (const caller of callers) {
    expect(caller.texts).toEqual([...texts, 'after']);
    expect(caller.isOk).toBe(true);
  }
  expect(faults).toEqual([]);
});

test('a call that the server ends early stops sending its request', async () => {
  const { open, respond, peer, connection } = await dial([SettingId.INITIAL_WINDOW_SIZE, 10]);
  const { call, caller } = open({ isUnary: true });
  call.sendOnly(Buffer.alloc(100));
  await settle();
  expect(peer.dataBytes(call.id)).toBe(10);
  respond(call.id, message('enough'));
  await settle();
  expect(caller.isOk).toBe(true);
  expect(peer.resetCode(call.id)).toBe(ErrorCode.NO_ERROR);
  expect(connection.openStreams).toBe(0);
  peer.send(frame(FrameType.WINDOW_UPDATE, 0, call.id, uint32(1_000)));
  await settle();
  expect(peer.dataBytes(call.id)).toBe(10);
});

test('a call with its request sent ends without a reset', async () => {
  const { open, respond, peer, connection } = await dial();
  const { call, caller } = open({ isUnary: true });
  call.sendOnly(Buffer.alloc(100));
  respond(call.id, message('response'));
  await settle();
  expect(caller.texts).toEqual(['response']);
  expect(peer.resetCode(call.id)).toBeNull();
  expect(connection.openStreams).toBe(0);
});

describe('a response that is longer than the window of its stream', () => {
  const responseBytes = 1_200_000;
  const windowBytes = 131_072;

  async function unread() {
    const dialed = await dial();
    const { open, peer } = dialed;
    /** Sends as much of a response as the usual window allows. */
    const begin = async () => {
      const { call, caller } = open({ isUnary: true });
      call.sendOnly(Buffer.alloc(1));
      const bytes = Buffer.concat([messagePrefix(responseBytes), Buffer.alloc(responseBytes, 7)]);
      const frames = (from: number, to: number) => {
        const pieces: Buffer[] = [];
        for (let at = from; at < to; at += 16_384) {
          const piece = bytes.subarray(at, Math.min(to, at + 16_384));
          pieces.push(frame(FrameType.DATA, 0, call.id, piece));
        }
        return pieces;
      };
      peer.send(frame(FrameType.HEADERS, 4, call.id, peer.block(...responseHead)));
      const first = async () => {
        peer.send(...frames(0, windowBytes));
        await settle();
      };
      const rest = async () => {
        peer.send(...frames(windowBytes, bytes.length));
        peer.send(frame(FrameType.HEADERS, 5, call.id, peer.block(...okTrailers)));
        await settle();
      };
      const granted = () =>
        peer
          .of(FrameType.WINDOW_UPDATE, call.id)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
      return { call, caller, first, rest, granted };
    };
    return { ...dialed, begin };
  }

  test('gets the rest of its length as soon as that is reserved', async () => {
    const { begin, memory } = await unread();
    const { caller, first, rest, granted } = await begin();
    await first();
    expect(granted()).toBeGreaterThanOrEqual(responseBytes - windowBytes);
    expect(memory.responses.bytes).toBe(responseBytes);
    await rest();
    expect(caller.isOk).toBe(true);
    expect(caller.texts[0]).toHaveLength(responseBytes);
    expect(memory.responses.bytes).toBe(0);
  });

  test('is not read while its caller applies backpressure', async () => {
    const { begin, memory } = await unread();
    const { call, caller, first, rest, granted } = await begin();
    call.pauseResponses();
    await first();
    expect(granted()).toBe(0);
    expect(memory.responses.bytes).toBeLessThanOrEqual(windowBytes);
    call.resumeResponses();
    await settle();
    expect(granted()).toBeGreaterThanOrEqual(responseBytes - windowBytes);
    await rest();
    expect(caller.isOk).toBe(true);
  });

  test('is not read while others have the memory, and the others are not held up', async () => {
    const { begin, peer, open, respond } = await unread();
    const [one, two] = [await begin(), await begin()];
    await one.first();
    await two.first();
    expect(two.granted()).toBe(0);
    // The window of the connection stays open, and a small response is delivered.
    const small = open({ isUnary: true });
    respond(small.call.id, message('small'));
    await settle();
    expect(small.caller.texts).toEqual(['small']);
    await one.rest();
    expect(two.granted()).toBeGreaterThanOrEqual(responseBytes - windowBytes);
    await two.rest();
    expect(two.caller.isOk).toBe(true);
    expect(peer.goAwayCode).toBeNull();
  });

  test('ends with ResourceExhausted and its reason if it has waited too long', async () => {
    const { begin, clock, memory } = await unread();
    const [one, two] = [await begin(), await begin()];
    await one.first();
    await two.first();
    for (let i = 0; i < 3; i++) clock.advance(250);
    expect(two.caller.status).toBeNull();
    // The first one does not move, so it makes room.
    for (let i = 0; i < 3; i++) clock.advance(250);
    expect(one.caller.status).toEqual(refusal('message-memory'));
    await two.rest();
    expect(two.caller.isOk).toBe(true);
    expect(memory.responses.bytes).toBe(0);
  });

  test('that waits here at its deadline does not count as a late response of etcd', async () => {
    const { begin, clock } = await unread();
    const { call, caller, first } = await begin();
    call.setDeadline(7_000);
    call.pauseResponses();
    await first();
    clock.advance(8_000);
    expect(caller.status).toEqual(refusal('message-memory'));
  });

  test('is refused by its length if it takes too much of the container', async () => {
    const { begin, peer } = await unread();
    const { call, caller } = await begin();
    peer.send(frame(FrameType.DATA, 0, call.id, Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1])));
    await settle();
    expect(caller.status?.code).toBe(Code.RESOURCE_EXHAUSTED);
  });
});
