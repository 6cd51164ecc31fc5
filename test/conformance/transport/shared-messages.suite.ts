/** Ownership over the wire: one shared message for many calls, and owned ones whose memory is released beside it. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import type { Channel } from '../../../src/grpc/transport.ts';
import type { Caller } from '../../support/caller.ts';
import { Seeded, seed } from '../../support/seeded.ts';
import { until } from '../../support/until.ts';
import { bidi, Loop, type ServedCall, unaryMethod } from './loop.ts';
import type { PairKind } from './pairs.ts';

const messageBytes = 1_048_576;
const callsCount = 100;

/** Memory of its own, from its first byte to its last: what a transport could detach if it owned it. */
function randomMessage(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(messageBytes);
  const random = new Seeded(seed);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = random.below(256);
  return bytes;
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const numberOf = ({ request }: ServedCall) => Number(Buffer.from(request).toString());
const headOf = (i: number) => Buffer.from(`head of call ${i}`.padEnd(20 + (i % 7), '.'));

export function sharedMessagesSuite(kind: PairKind): void {
  test.each([1, callsCount])(
    'a hundred calls receive one shared message of 1 MiB whole, and it stays intact (connections: %i)',
    async (connections) => {
      await using loop = await Loop.open(kind);
      using channels = new DisposableStack();
      const others: Channel[] = [];
      for (let i = 1; i < connections; i += 1) {
        others.push(channels.adopt(await loop.dial(), (channel) => channel.close()));
      }
      const tail = randomMessage();
      const digestBefore = digest(tail);

      const openStream = (i: number, channel: Channel): Caller => {
        const caller = loop.stream(bidi, channel);
        caller.call.send(Buffer.from(`${i}`));
        return caller;
      };
      // Every second call is unary. The request carries the number of the call.
      const received = Array.from({ length: callsCount }, (): string[] => []);
      const callers = received.map((digests, i) => {
        const channel = [loop.channel, ...others][i % connections] ?? loop.channel;
        const caller = i % 2 === 0 ? loop.unary(`${i}`, {}, channel) : openStream(i, channel);
        caller.onMessage = (message) => {
          // Kept as a digest only, because the messages together are large.
          digests.push(digest(message));
          caller.messages.pop();
        };
        return caller;
      });
      const { calls } = loop.handler;
      await until(
        'all requests',
        () => calls.filter((c) => c.requests.length > 0).length === callsCount,
      );

      const scratch = Buffer.alloc(64);
      for (const call of calls) {
        const head = headOf(numberOf(call));
        scratch.set(head);
        call.deliverShared(scratch.subarray(0, head.length), tail);
        // The head is borrowed, so it may be overwritten at once.
        scratch.fill(0xff);
      }
      await until('all shared messages', () => received.every(({ length }) => length === 1));
      expect(received).toEqual(received.map((_, i) => [digest(Buffer.concat([headOf(i), tail]))]));

      // The memory of owned messages is released and used again. The shared one must not be among it.
      const owned = digest(Buffer.alloc(messageBytes, 0xee));
      for (const call of calls) {
        if (call.incoming.method === unaryMethod) call.end();
        else call.respond(new Uint8Array(messageBytes).fill(0xee));
      }
      for (const caller of callers) expect((await caller.ended()).code).toBe(Code.OK);
      for (const [i, digests] of received.entries()) {
        expect(digests.slice(1)).toEqual(i % 2 === 0 ? [] : [owned]);
      }
      expect(tail.buffer.detached).toBe(false);
      expect(tail).toHaveLength(messageBytes);
      expect(digest(tail)).toBe(digestBefore);
    },
  );
}
