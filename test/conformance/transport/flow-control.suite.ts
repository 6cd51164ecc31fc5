/** Backpressure in both directions. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { until } from '../../support/until.ts';
import { Loop } from './loop.ts';
import type { PairKind } from './pairs.ts';

const block = Buffer.alloc(65_536, 'b');
const blocksMax = 1_000;

export function flowControlSuite(kind: PairKind): void {
  test('a caller that pauses makes the handler pause, and everything arrives after it resumes', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    caller.call.pauseResponses();
    const call = await loop.handler.call();
    let sent = 0;
    for (; call.pauses === 0 && sent < blocksMax; sent += 1) {
      call.deliver(block);
      await turn();
    }
    expect(call.pauses).toBe(1);
    expect(caller.messages.length).toBeLessThan(sent);
    caller.call.resumeResponses();
    await until('resumed handler', () => call.resumes === 1);
    await until('all messages', () => caller.messages.length === sent);
    expect(caller.messages.every((message) => message.length === block.length)).toBe(true);
  });

  test('a handler that pauses makes the caller pause, and everything arrives after it resumes', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    const call = await loop.handler.call();
    call.pauseRequests();
    let sent = 0;
    for (; caller.pauses === 0 && sent < blocksMax; sent += 1) {
      caller.call.send(block);
      await turn();
    }
    expect(caller.pauses).toBe(1);
    expect(call.requests.length).toBeLessThan(sent);
    call.resumeRequests();
    await until('resumed caller', () => caller.resumes === 1);
    await until('all messages', () => call.requests.length === sent);
  });

  test('a paused stream does not delay other calls on its connection', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.stream();
    caller.call.pauseResponses();
    const call = await loop.handler.call();
    for (let i = 0; i < 40; i += 1) call.deliver(block);
    loop.handler.onCall = (unary) => unary.respond(block);
    for (let i = 0; i < 10; i += 1) expect((await loop.unary().ended()).code).toBe(Code.OK);
  });
}
