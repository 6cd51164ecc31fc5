/** Calls of the native client, frame by frame, over a wire in memory. */
import { expect, test } from 'vitest';
import { AssemblyBudget, messagePrefix } from '../../../../src/grpc/message-framing.ts';
import { ClientCall } from '../../../../src/grpc/native/client-call.ts';
import { ClientConnection } from '../../../../src/http2/client-connection.ts';
import { clientPreface, ErrorCode, FrameType } from '../../../../src/http2/frame.ts';
import { HeaderTemplate } from '../../../../src/http2/hpack/encoder.ts';
import { SettingId, settingsFrame } from '../../../../src/http2/settings.ts';
import { Deadlines } from '../../../../src/runtime/deadlines.ts';
import { Caller } from '../../../support/caller.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { frame, RawPeer, settle, uint32, wirePair } from '../../../support/raw-http2.ts';

const requestHead = [':method', 'POST', ':scheme', 'http', ':path', '/t.S/M', ':authority', 'x'];
const responseHead = [':status', '200', 'content-type', 'application/grpc'];
const okTrailers = ['grpc-status', '0'];

const message = (text: string) =>
  Buffer.concat([Buffer.from(messagePrefix(text.length)), Buffer.from(text)]);

/** A connection whose server sent `settings`. */
async function dial(...settings: [number, number][]) {
  const clock = new ManualClock();
  const [near, far] = wirePair();
  const faults: unknown[] = [];
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
    assembly: new AssemblyBudget(1_000_000),
    onFault,
  };
  const open = ({ isUnary }: { isUnary: boolean }) => {
    const caller = new Caller();
    const call = new ClientCall(connection.core, context, caller, isUnary);
    connection.open(call, new HeaderTemplate(requestHead, true), null, false);
    return { call, caller };
  };
  const respond = (streamId: number, ...data: Buffer[]) =>
    peer.send(
      frame(FrameType.HEADERS, 4, streamId, peer.block(...responseHead)),
      ...data.map((bytes) => frame(FrameType.DATA, 0, streamId, bytes)),
      frame(FrameType.HEADERS, 5, streamId, peer.block(...okTrailers)),
    );
  return { connection, peer, faults, open, respond };
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
