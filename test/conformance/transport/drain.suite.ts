/** How a listener closes. */
import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { until } from '../../support/until.ts';
import { Loop } from './loop.ts';
import type { PairKind } from './pairs.ts';

export function drainSuite(kind: PairKind): void {
  test('an idle listener closes at once', async () => {
    await using loop = await Loop.open(kind);
    expect(await loop.listener.drain(5_000)).toBe(0);
  });

  test('open calls may finish, and new connections are refused', async () => {
    await using loop = await Loop.open(kind);
    const caller = loop.unary();
    const call = await loop.handler.call();
    const drained = loop.listener.drain(5_000);
    await until('refused connection', () => loop.channel.failure.includes('ECONNREFUSED'));
    call.respond('x');
    expect((await caller.ended()).code).toBe(Code.OK);
    expect(await drained).toBe(0);
  });

  test('calls that are still open after the timeout are counted and lost', async () => {
    await using loop = await Loop.open(kind);
    const callers = [loop.stream(), loop.stream(), loop.unary()];
    await loop.handler.call(2);
    expect(await loop.listener.drain(50)).toBe(3);
    for (const caller of callers) expect((await caller.ended()).origin).toBe('lost');
    await until('cancelled handlers', () => loop.handler.calls.every((c) => c.cancels === 1));
  });
}
