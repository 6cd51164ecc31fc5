import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  CompressedRequests,
  type CompressedRequestsOwner,
} from '../../../../src/grpc/gzip/compressed-requests.ts';
import { InflateSlots } from '../../../../src/grpc/gzip/inflate-slots.ts';
import { Code } from '../../../../src/grpc/status.ts';
import { ByteShare } from '../../../../src/runtime/byte-budget.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { until } from '../../../support/until.ts';

const bytesMax = 2_097_152;

class Owner implements CompressedRequestsOwner {
  keepsMessages = false;
  isMessageUnused = false;
  /** Requests by their first byte and length; `end`, and why the call was rejected. */
  readonly events: string[] = [];
  isPaused = false;
  onEvent: (event: string) => void = () => {};
  onInflated(request: Buffer): boolean {
    return this.#record(`${String.fromCharCode(request[0] ?? 45)}${request.length}`);
  }
  onAllInflated(): void {
    this.#record('end');
  }
  onBadMessage(code: number): void {
    this.#record(`bad ${code}`);
  }
  onMemoryRefused(): void {
    this.#record('refused');
  }
  pauseReading(): void {
    this.isPaused = true;
  }
  resumeReading(): void {
    this.isPaused = false;
  }
  async saw(event: string): Promise<void> {
    await until(
      () => `${event} in ${this.events.join()}`,
      () => this.events.includes(event),
    );
  }
  #record(event: string): boolean {
    this.events.push(event);
    this.onEvent(event);
    return true;
  }
}

function requestsOf({
  isHeld = false,
  shareBytesMax = 64_000_000,
  slots = new InflateSlots(),
} = {}) {
  const owner = new Owner();
  const clock = new ManualClock();
  const share = new ByteShare('requests', shareBytesMax, clock);
  const requests = new CompressedRequests(owner, slots, share, { bytesMax, isHeld });
  return { owner, share, requests, clock };
}

const plain = (letter: string, length = 10) => Buffer.alloc(length, letter);
const short = (letter: string) => gzipSync(plain(letter));
const long = (letter: string, length = 1_000_000) => gzipSync(plain(letter, length));

describe('compressed requests', () => {
  test('that are short are passed on at once, and cost no memory afterwards', () => {
    const { owner, requests, share } = requestsOf();
    expect(requests.add(short('a'), true)).toBe(true);
    expect(requests.add(short('b'), true)).toBe(true);
    expect(owner.events).toEqual(['a10', 'b10']);
    expect([requests.end(), owner.isPaused, share.bytes]).toEqual([false, false, 0]);
  });

  test('stay in order with those that are not compressed, and with the end, behind a long one', async () => {
    const { owner, requests, share } = requestsOf();
    requests.add(long('a'), true);
    requests.add(plain('b'), false);
    requests.add(short('c'), true);
    requests.add(long('d', 300_000), true);
    requests.add(plain('e'), false);
    expect([owner.events, requests.end(), owner.isPaused]).toEqual([[], true, true]);
    await owner.saw('end');
    expect(owner.events).toEqual(['a1000000', 'b10', 'c10', 'd300000', 'e10', 'end']);
    expect(share.bytes).toBe(0);
  });

  test('let the client send more when none waits', async () => {
    const { owner, requests } = requestsOf();
    requests.add(long('a'), true);
    expect(owner.isPaused).toBe(true);
    await owner.saw('a1000000');
    expect([owner.isPaused, requests.isBusy]).toEqual([false, false]);
  });

  test('stay compressed while the handler applies backpressure', async () => {
    const { owner, requests, share } = requestsOf();
    owner.onEvent = (event) => {
      if (event === 'a1000000') requests.hold();
    };
    requests.add(long('a'), true);
    requests.add(long('b'), true);
    requests.add(short('c'), true);
    await owner.saw('a1000000');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(owner.events).toEqual(['a1000000']);
    expect(share.bytes).toBe(long('b').length + short('c').length);
    expect(owner.isPaused).toBe(true);
    requests.unhold();
    await owner.saw('c10');
    expect([owner.events, owner.isPaused]).toEqual([['a1000000', 'b1000000', 'c10'], false]);
  });

  test('that arrive during backpressure wait for its end', () => {
    const { owner, requests } = requestsOf({ isHeld: true });
    requests.add(short('a'), true);
    expect([owner.events, requests.end()]).toEqual([[], true]);
    requests.unhold();
    expect(owner.events).toEqual(['a10', 'end']);
  });

  test('reserve the memory of their results before they are inflated, and then count what they use', async () => {
    const { owner, requests, share } = requestsOf();
    owner.keepsMessages = true;
    const message = long('a');
    requests.add(message, true);
    expect(share.bytes).toBe(message.length + Math.min(bytesMax, message.length * 1_032));
    await owner.saw('a1000000');
    expect(share.bytes).toBe(1_000_000);
    requests.drop();
    expect(share.bytes).toBe(0);
  });

  test('wait while the memory is taken, and are refused if it stays so', async () => {
    const slots = new InflateSlots();
    const first = requestsOf({ shareBytesMax: 2_000_000, slots });
    first.owner.keepsMessages = true;
    first.requests.add(long('a', 1_500_000), true);
    await first.owner.saw('a1500000');
    const owner = new Owner();
    const { share, clock } = first;
    const requests = new CompressedRequests(owner, slots, share, { bytesMax, isHeld: false });
    requests.add(long('b'), true);
    expect(share.waitingHolds).toBe(1);
    for (let i = 0; i < 30; i++) clock.advance(250);
    expect(owner.events).toEqual(['refused']);
    expect([share.waitingHolds, share.bytes]).toEqual([0, 1_500_000]);
    first.requests.drop();
    expect(share.bytes).toBe(0);
  });

  test('over the limit end the call, and nothing behind them is inflated', async () => {
    const { owner, requests, share } = requestsOf();
    owner.onEvent = () => requests.drop();
    requests.add(gzipSync(plain('a', bytesMax + 1)), true);
    requests.add(short('b'), true);
    await owner.saw(`bad ${Code.RESOURCE_EXHAUSTED}`);
    expect([owner.events, share.bytes]).toEqual([[`bad ${Code.RESOURCE_EXHAUSTED}`], 0]);
  });

  test('that are not valid end the call at once', () => {
    const { owner, requests } = requestsOf();
    expect(requests.add(Buffer.from('nonsense, nonsense'), true)).toBe(false);
    expect(owner.events).toEqual([`bad ${Code.INTERNAL}`]);
  });

  test('of a call that has ended are dropped, those on a thread too', async () => {
    const slots = new InflateSlots();
    const dropped = Array.from({ length: 5 }, () => requestsOf({ slots }));
    for (const { requests } of dropped) {
      requests.add(long('a'), true);
      requests.drop();
    }
    const { owner, requests } = requestsOf({ slots });
    requests.add(long('z'), true);
    await owner.saw('z1000000');
    expect(dropped.flatMap((each) => each.owner.events)).toEqual([]);
    expect(dropped.map(({ share }) => share.bytes)).toEqual([0, 0, 0, 0, 0]);
  });

  test('do not keep the read buffer that they arrived in', async () => {
    const { owner, requests } = requestsOf();
    const buffer = Buffer.concat([long('a'), long('b')]);
    const half = long('a').length;
    requests.add(buffer.subarray(0, half), true);
    requests.add(buffer.subarray(half), true);
    buffer.fill(0);
    await owner.saw('b1000000');
    expect(owner.events).toEqual(['a1000000', 'b1000000']);
  });
});
