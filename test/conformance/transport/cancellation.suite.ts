/** Calls that end early: deadlines and cancellation. */
import { expect, test } from 'vitest';
import { Code, ok } from '../../../src/grpc/status.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { until } from '../../support/until.ts';
import { bidi, Loop, unaryMethod } from './loop.ts';
import type { PairKind } from './pairs.ts';

export function cancellationSuite(kind: PairKind): void {
  test('the deadline reaches the handler, on the clock of the server', async () => {
    await using loop = await Loop.open(kind);
    const { call } = loop.unary('x', { timeoutMs: 5_000 });
    const { deadlineMs } = (await loop.handler.call()).incoming;
    const remaining = deadlineMs - systemClock.nowMs();
    expect(remaining).toBeGreaterThan(4_000);
    expect(remaining).toBeLessThanOrEqual(5_100);
    call.cancel();
    loop.unary('x');
    expect((await loop.handler.call(1)).incoming.deadlineMs).toBe(Infinity);
  });

  test('a call whose deadline passes ends with DeadlineExceeded, and its handler is cancelled', async () => {
    await using loop = await Loop.open(kind);
    const ended = await loop.unary('x', { timeoutMs: 60 }).ended();
    expect(ended.code).toBe(Code.DEADLINE_EXCEEDED);
    if (!kind.deviations.serverEnforcesDeadlines) expect(ended.origin).toBe('proxy');
    const call = await loop.handler.call();
    await until('cancelled handler', () => call.cancels === 1);
  });

  test('a cancel reaches the handler once, and the caller receives nothing more', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.unary();
    const call = await loop.handler.call();
    caller.call.cancel();
    caller.call.cancel();
    await until('cancelled handler', () => call.cancels === 1);
    // A handler may have been about to respond.
    call.responses.deliver(asOwned(Buffer.from('too late')));
    call.responses.end(ok);
    loop.unary().call.cancel();
    // A round trip on the same connection, so what was sent before it has arrived.
    loop.handler.onCall = (next) => next.respond('x');
    expect((await loop.unary().ended()).code).toBe(Code.OK);
    expect(caller).toMatchObject({ messages: [], status: null });
  });

  test('a call that has ended is never cancelled', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.respond('x');
    for (let i = 0; i < 20; i += 1) await loop.unary().ended();
    expect(loop.handler.calls.map((call) => call.cancels)).toEqual(Array(20).fill(0));
  });

  test('the cancel of a stream reaches its handler, and other streams stay open', async () => {
    await using loop = await Loop.open(kind);
    const [first, second] = [loop.stream(), loop.stream()];
    const [cancelled, alive] = [await loop.handler.call(0), await loop.handler.call(1)];
    first.call.cancel();
    await until('cancelled handler', () => cancelled.cancels === 1);
    alive.deliver('still here');
    await until('message', () => second.messages.length === 1);
    expect(alive.cancels).toBe(0);
    expect(first.status).toBeNull();
  });

  test('a stream that is cancelled in the turn of its start leaves nothing open', async () => {
    await using loop = await Loop.open(kind);
    for (let i = 0; i < 10; i += 1) {
      const { call } = loop.stream();
      call.send(Buffer.from('create'));
      call.cancel();
    }
    loop.unary();
    const callsOf = (method: object) =>
      loop.handler.calls.filter(({ incoming }) => incoming.method === method);
    await until('call after them', () => callsOf(unaryMethod).length === 1);
    await until('cancelled handlers', () => callsOf(bidi).every((call) => call.cancels === 1));
  });
}
