/** Calls that stream in one direction or in both. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { Caller } from '../../support/caller.ts';
import { until } from '../../support/until.ts';
import { bidi, Loop, type ServedCall, serverStream } from './loop.ts';
import type { PairKind } from './pairs.ts';

const numbered = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name} ${i}`);
const textsOf = (call: ServedCall) => call.requests.map((request) => `${Buffer.from(request)}`);

export function streamsSuite(kind: PairKind): void {
  test('messages pass in both directions in order, and the status follows the last', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    const call = await loop.handler.call();
    for (let i = 0; i < 50; i += 1) {
      caller.call.send(Buffer.from(`request ${i}`));
      call.deliver(`response ${i}`);
    }
    caller.call.halfClose();
    await until('half-close', () => call.isHalfClosed);
    call.end();
    expect((await caller.ended()).code).toBe(Code.OK);
    expect(textsOf(call)).toEqual(numbered('request', 50));
    expect(caller.texts).toEqual(numbered('response', 50));
  });

  test('responses continue after the half-close', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    caller.call.send(Buffer.from('watch'));
    caller.call.halfClose();
    const call = await loop.handler.call();
    await until('half-close', () => call.isHalfClosed);
    for (let i = 0; i < 3; i += 1) {
      call.deliver(`event ${i}`);
      await until(`event ${i}`, () => caller.messages.length === i + 1);
    }
    expect(caller.status).toBeNull();
    call.fail(Code.UNAVAILABLE, 'etcdserver: server stopped');
    expect((await caller.ended()).text).toBe('etcdserver: server stopped');
  });

  test('one request may have a stream of responses', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => {
      call.deliver('1');
      call.deliver('2');
    };
    const caller = loop.stream(serverStream);
    caller.call.send(Buffer.from('list'));
    caller.call.halfClose();
    const call = await loop.handler.call();
    await until('half-close', () => call.isHalfClosed);
    expect(textsOf(call)).toEqual(['list']);
    call.respond('3');
    await caller.ended();
    expect(caller.texts).toEqual(['1', '2', '3']);
  });

  test('messages that were sent before a failing status arrive before it', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    const call = await loop.handler.call();
    for (let i = 0; i < 10; i += 1) call.deliver(`${i}`);
    call.fail(Code.UNAVAILABLE, 'end');
    expect((await caller.ended()).text).toBe('end');
    expect(caller.messages).toHaveLength(10);
  });

  const isDropped = kind.deviations.dropsMessagesBeforeFailure === true;
  test(`messages that wait for a paused caller ${isDropped ? 'are dropped by' : 'arrive before'} a failing status`, async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    caller.call.pauseResponses();
    const call = await loop.handler.call();
    for (let i = 0; i < 10; i += 1) call.deliver(`${i}`);
    call.fail(Code.UNAVAILABLE, 'end');
    await sleep(50);
    caller.call.resumeResponses();
    expect((await caller.ended()).text).toBe('end');
    if (isDropped) expect(caller.messages.length).toBeLessThan(10);
    else expect(caller.messages).toHaveLength(10);
  });

  test('a stream may end before the client has sent a request', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.end(status(Code.PERMISSION_DENIED, 'no'));
    const caller = loop.stream();
    expect(await caller.ended()).toMatchObject({ code: Code.PERMISSION_DENIED, text: 'no' });
    caller.call.send(Buffer.from('too late'));
    caller.call.halfClose();
    expect((await loop.handler.call()).cancels).toBe(0);
  });

  test('a handler that throws on a message ends that stream with Internal, and no other', async () => {
    await using loop = await Loop.open(kind);
    const [broken, fine] = [loop.stream(), loop.stream()];
    broken.call.send(Buffer.from('throw'));
    fine.call.send(Buffer.from('x'));
    expect((await broken.ended()).code).toBe(Code.INTERNAL);
    const call = await loop.handler.call(1);
    await until('message on the other stream', () => call.requests.length === 1);
    expect(fine.status).toBeNull();
    expect(loop.takeFault()).toMatchObject({ message: 'a layer broke' });
  });

  test('a response sink that throws ends its own call, and no other', async () => {
    await using loop = await Loop.open(kind);
    const broken = new Caller();
    broken.onMessage = () => {
      throw new Error('a layer broke');
    };
    loop.channel.stream({ path: bidi.path, metadata: [], timeoutMs: Infinity }, broken);
    const other = loop.stream();
    const [call, otherCall] = [await loop.handler.call(0), await loop.handler.call(1)];
    call.deliver('x');
    expect((await broken.ended()).code).toBe(Code.INTERNAL);
    await until('cancelled handler', () => call.cancels === 1);
    otherCall.deliver('y');
    await until('message on the other stream', () => other.messages.length === 1);
    expect(loop.takeFault()).toMatchObject({ message: 'a layer broke' });
  });
}
