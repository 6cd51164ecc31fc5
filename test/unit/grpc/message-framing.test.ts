import { describe, expect, test } from 'vitest';
import {
  AssemblyBudget,
  isOneMessage,
  MessageReader,
  type MessageSink,
  messagePrefix,
} from '../../../src/grpc/message-framing.ts';
import { Code } from '../../../src/grpc/status.ts';

class Collected implements MessageSink {
  readonly messages: string[] = [];
  bad: [number, string] | null = null;
  onMessage(bytes: Buffer): boolean {
    this.messages.push(bytes.toString());
    return true;
  }
  onBadMessage(code: number, text: string): void {
    this.bad = [code, text];
  }
}

const framed = (text: string) =>
  Buffer.concat([Buffer.from(messagePrefix(text.length)), Buffer.from(text)]);

describe('messages', () => {
  const texts = ['', 'one', '', 'x'.repeat(200_000), 'last', ''];
  const bytes = Buffer.concat(texts.map(framed));

  test.each([1, 2, 4, 5, 6, 7, 100, 16_384, 1_000_000])(
    'arrive whole in pieces of %d bytes',
    (size) => {
      const reader = new MessageReader(1_000_000, new AssemblyBudget(100_000_000));
      const sink = new Collected();
      for (let at = 0; at < bytes.length; at += size) {
        reader.feed(bytes, at, Math.min(bytes.length, at + size), sink);
      }
      expect(sink.messages).toEqual(texts);
      expect(reader.isAmidMessage).toBe(false);
    },
  );

  test('arrive whole wherever a read ends', () => {
    const some = Buffer.concat(['ab', '', 'c'].map(framed));
    for (let cut = 0; cut <= some.length; cut++) {
      const reader = new MessageReader(100, new AssemblyBudget(100_000_000));
      const sink = new Collected();
      reader.feed(some, 0, cut, sink);
      reader.feed(some, cut, some.length, sink);
      expect(sink.messages).toEqual(['ab', '', 'c']);
    }
  });

  test('are copied by the reader; a frame that is one message is recognized without it', () => {
    const reader = new MessageReader(100, new AssemblyBudget(100_000_000));
    const some = framed('abc');
    let seen: Buffer = Buffer.alloc(0);
    reader.feed(some, 0, some.length, {
      onMessage: (each) => {
        seen = each;
        return false;
      },
      onBadMessage() {},
    });
    some.fill(0, 5);
    expect(seen.toString()).toBe('abc');
    framed('abc').copy(some);
    expect(isOneMessage(some, 0, some.length, 100)).toBe(true);
    expect(isOneMessage(some, 0, some.length, 2)).toBe(false);
    expect(isOneMessage(some, 0, some.length - 1, 100)).toBe(false);
  });

  test('over the limit are rejected by their prefix, with the text of grpc-go', () => {
    const reader = new MessageReader(3, new AssemblyBudget(100_000_000));
    const sink = new Collected();
    const some = framed('abcd');
    reader.feed(some, 0, 5, sink);
    expect(sink.bad).toEqual([
      Code.RESOURCE_EXHAUSTED,
      'grpc: received message larger than max (4 vs. 3)',
    ]);
    expect(reader.isAmidMessage).toBe(false);
  });

  test('with the compressed flag are rejected', () => {
    const sink = new Collected();
    new MessageReader(3, new AssemblyBudget(100_000_000)).feed(
      Buffer.from([1, 0, 0, 0, 0]),
      0,
      5,
      sink,
    );
    expect(sink.bad?.[0]).toBe(Code.INTERNAL);
  });

  test('that are incomplete share a budget, and release it', () => {
    const budget = new AssemblyBudget(100_000);
    const start = Buffer.concat([messagePrefix(70_000), Buffer.alloc(65_536)]);
    const [first, second] = [new MessageReader(80_000, budget), new MessageReader(80_000, budget)];
    const sink = new Collected();
    first.feed(start, 0, start.length, sink);
    expect(sink.bad).toBeNull();
    second.feed(start, 0, start.length, sink);
    expect(sink.bad?.[0]).toBe(Code.RESOURCE_EXHAUSTED);
    first.drop();
    expect(budget.reserve(100_000)).toBe(true);
  });

  test('use memory for the bytes that arrived, not for the length that was announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from(
      { length: 200 },
      () => new MessageReader(2 ** 31 - 1, new AssemblyBudget(100_000_000)),
    );
    const start = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1]);
    for (const reader of readers) reader.feed(start, 0, start.length, new Collected());
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 70_000);
    expect(readers.every((reader) => reader.isAmidMessage)).toBe(true);
  });
});
