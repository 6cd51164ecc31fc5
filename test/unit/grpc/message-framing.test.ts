import { describe, expect, test } from 'vitest';
import {
  isOneMessage,
  MessageReader,
  type MessageSink,
  messagePrefix,
} from '../../../src/grpc/message-framing.ts';
import { Code } from '../../../src/grpc/status.ts';
import { ByteShare } from '../../../src/runtime/byte-budget.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const account = (bytesMax = 100_000_000) => new ByteShare('requests', bytesMax, new ManualClock());

class Collected implements MessageSink {
  readonly keepsMessages = false;
  readonly isMessageUnused = false;
  acceptsCompressed = false;
  readonly compressed: string[] = [];
  wantsMessages = true;
  receiveWindow = 16_384;
  /** `withheld`, then the bytes granted. */
  readonly windows: (number | 'withheld')[] = [];
  isRefused = false;
  withholdWindow(): void {
    this.windows.push('withheld');
  }
  grantWindow(bytes: number): void {
    this.windows.push(bytes);
  }
  onMemoryRefused(): void {
    this.isRefused = true;
  }
  readonly messages: string[] = [];
  bad: [number, string] | null = null;
  onMessage(bytes: Buffer): boolean {
    this.messages.push(bytes.toString());
    return true;
  }
  onCompressed(bytes: Buffer): boolean {
    this.compressed.push(bytes.toString());
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
      const sink = new Collected();
      const reader = new MessageReader(1_000_000, account(), sink);
      for (let at = 0; at < bytes.length; at += size) {
        reader.feed(bytes, at, Math.min(bytes.length, at + size));
      }
      expect(sink.messages).toEqual(texts);
      expect(reader.isAmidMessage).toBe(false);
    },
  );

  test('arrive whole wherever a read ends', () => {
    const some = Buffer.concat(['ab', '', 'c'].map(framed));
    for (let cut = 0; cut <= some.length; cut++) {
      const sink = new Collected();
      const reader = new MessageReader(100, account(), sink);
      reader.feed(some, 0, cut);
      reader.feed(some, cut, some.length);
      expect(sink.messages).toEqual(['ab', '', 'c']);
    }
  });

  test('are copied by the reader; a frame that is one message is recognized without it', () => {
    const sink = new Collected();
    const some = framed('abc');
    let seen: Buffer = Buffer.alloc(0);
    sink.onMessage = (each) => {
      seen = each;
      return false;
    };
    new MessageReader(100, account(), sink).feed(some, 0, some.length);
    some.fill(0, 5);
    expect(seen.toString()).toBe('abc');
    framed('abc').copy(some);
    expect(isOneMessage(some, 0, some.length, 100)).toBe(true);
    expect(isOneMessage(some, 0, some.length, 2)).toBe(false);
    expect(isOneMessage(some, 0, some.length - 1, 100)).toBe(false);
  });

  test('over the limit are rejected by their prefix, with the text of grpc-go', () => {
    const sink = new Collected();
    const reader = new MessageReader(3, account(), sink);
    const some = framed('abcd');
    reader.feed(some, 0, 5);
    expect(sink.bad).toEqual([
      Code.RESOURCE_EXHAUSTED,
      'grpc: received message larger than max (4 vs. 3)',
    ]);
    expect(reader.isAmidMessage).toBe(false);
  });

  test('with the compressed flag are rejected, unless the peer may compress', () => {
    const some = Buffer.concat([framed('a'), Buffer.from([1, 0, 0, 0, 2, 120, 121]), framed('b')]);
    const sink = new Collected();
    new MessageReader(3, account(), sink).feed(some, 0, some.length);
    expect(sink.bad).toEqual([
      Code.INTERNAL,
      'grpc: compressed flag set with identity or empty encoding',
    ]);
    for (let cut = 0; cut <= some.length; cut++) {
      const accepting = new Collected();
      accepting.acceptsCompressed = true;
      const reader = new MessageReader(3, account(), accepting);
      reader.feed(some, 0, cut);
      reader.feed(some, cut, some.length);
      expect([accepting.messages, accepting.compressed]).toEqual([['a', 'b'], ['xy']]);
    }
  });

  test('with an unknown flag are rejected, after those that are too long', () => {
    const sink = new Collected();
    sink.acceptsCompressed = true;
    const reader = new MessageReader(3, account(), sink);
    reader.feed(Buffer.from([2, 0, 0, 0, 0]), 0, 5);
    expect(sink.bad).toEqual([Code.INTERNAL, 'grpc: received unexpected payload format 2']);
    reader.feed(Buffer.from([2, 0, 0, 0, 4]), 0, 5);
    expect(sink.bad?.[0]).toBe(Code.RESOURCE_EXHAUSTED);
  });

  test('that are longer than the window get no more of it until their length is reserved', () => {
    const share = account(100_000);
    const [first, second] = [new Collected(), new Collected()];
    const start = Buffer.concat([messagePrefix(70_000), Buffer.alloc(1_000)]);
    const reader = new MessageReader(80_000, share, first);
    reader.feed(start, 0, start.length);
    expect(first.windows).toEqual(['withheld', 70_000]);
    new MessageReader(80_000, share, second).feed(start, 0, start.length);
    expect(second.windows).toEqual(['withheld']);
    reader.drop();
    expect(second.windows).toEqual(['withheld', 69_000]);
  });

  test('that are not wanted are not reserved until they are', () => {
    const sink = new Collected();
    sink.wantsMessages = false;
    const reader = new MessageReader(80_000, account(), sink);
    const start = Buffer.concat([messagePrefix(70_000), Buffer.alloc(1_000)]);
    reader.feed(start, 0, start.length);
    expect(sink.windows).toEqual(['withheld']);
    expect(reader.isWithheld).toBe(true);
    sink.wantsMessages = true;
    reader.reconsider();
    expect(sink.windows).toEqual(['withheld', 69_000]);
    expect(reader.isWithheld).toBe(false);
  });

  test('that fit the window are counted when they arrive, and not reserved', () => {
    const share = account();
    const sink = new Collected();
    const reader = new MessageReader(80_000, share, sink);
    const bytes = framed('x'.repeat(10_000));
    reader.feed(bytes, 0, 4_000);
    expect([share.bytes, sink.windows]).toEqual([10_000, []]);
    reader.feed(bytes, 4_000, bytes.length);
    expect([share.bytes, sink.messages.length]).toEqual([0, 1]);
  });

  test('use memory for the bytes that arrived, not for the length that was announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from(
      { length: 200 },
      () => new MessageReader(2 ** 31 - 1, account(), new Collected()),
    );
    const start = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1]);
    for (const reader of readers) reader.feed(start, 0, start.length);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 70_000);
    expect(readers.every((reader) => reader.isAmidMessage)).toBe(true);
  });
});
