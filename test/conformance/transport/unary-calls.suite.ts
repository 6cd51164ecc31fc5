/** Calls with one request and one response. */
import { expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { Loop } from './loop.ts';
import type { PairKind } from './pairs.ts';

export function unaryCallsSuite(kind: PairKind): void {
  test('request and response arrive byte for byte', async () => {
    await using loop = await Loop.open(kind);
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    loop.handler.onCall = (call) => call.echo();
    const caller = loop.unary(everyByte);
    expect(await caller.ended()).toMatchObject({ code: Code.OK, text: '', trailers: [] });
    expect(caller.messages.map((message) => Buffer.from(message))).toEqual([everyByte]);
  });

  test.each([0, 1_400_000])('a message of %i bytes arrives whole', async (length) => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.echo();
    const caller = loop.unary('x'.repeat(length));
    expect((await caller.ended()).code).toBe(Code.OK);
    expect(caller.texts).toEqual(['x'.repeat(length)]);
  });

  test('a handler may respond before its function returns, or later', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => {
      if (call.request.length === 3) call.fail(Code.NOT_FOUND, 'now');
    };
    expect((await loop.unary('now').ended()).text).toBe('now');
    const later = loop.unary('later');
    const call = await loop.handler.call(1);
    call.fail(Code.NOT_FOUND, 'later');
    expect((await later.ended()).text).toBe('later');
  });

  test('a hundred concurrent calls on one connection do not mix', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.echo();
    const callers = Array.from({ length: 100 }, (_, i) => loop.unary(`call ${i}`));
    await Promise.all(callers.map((caller) => caller.ended()));
    expect(callers.map(({ texts }) => texts)).toEqual(callers.map((_, i) => [`call ${i}`]));
    expect(new Set(loop.handler.calls.map((call) => call.incoming.peer)).size).toBe(1);
  });

  test.each(['/test.Echo/Nothing', '/no.Such/Thing'])('%s is Unimplemented', async (path) => {
    await using loop = await Loop.open(kind);
    const ended = await loop.unary('x', { path }).ended();
    expect(ended).toMatchObject({ code: Code.UNIMPLEMENTED, origin: 'peer' });
    expect(loop.handler.calls).toHaveLength(0);
  });

  test('a message over the limit is ResourceExhausted, and the connection stays open', async () => {
    await using loop = await Loop.open(kind, { messageBytesMax: 1_000 });
    loop.handler.onCall = (call) => call.fail(Code.NOT_FOUND, 'received');
    const ended = await loop.unary('x'.repeat(1_001)).ended();
    expect(ended.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(ended.text).toMatch(/received message larger than max \(1001 vs\.? 1000\)/i);
    expect((await loop.unary('x'.repeat(1_000)).ended()).text).toBe('received');
  });

  test('a handler that throws ends its own call with Internal, and no other', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => {
      if (Buffer.from(call.request).toString() === 'throw') throw new Error('a layer broke');
      call.end(status(Code.NOT_FOUND, 'fine'));
    };
    const [broken, fine] = [loop.unary('throw'), loop.unary('x')];
    expect(await broken.ended()).toMatchObject({
      code: Code.INTERNAL,
      text: 'etcd-bulkhead: internal error',
    });
    expect((await fine.ended()).text).toBe('fine');
    expect(loop.takeFault()).toMatchObject({ message: 'a layer broke' });
  });
}
