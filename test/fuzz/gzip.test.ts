/**
 * Random requests, compressed, not compressed or corrupt, in random splits and with random backpressure. What the handler gets is compared
 * with the list of requests up to the first one that is not valid. Nothing may throw, and no memory may stay counted.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import {
  CompressedRequests,
  type CompressedRequestsOwner,
} from '../../src/grpc/gzip/compressed-requests.ts';
import { gzipHeaderFault } from '../../src/grpc/gzip/header.ts';
import { InflateSlots } from '../../src/grpc/gzip/inflate-slots.ts';
import { ByteShare } from '../../src/runtime/byte-budget.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { commitSeed, Seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';

const bytesMax = 200_000;
const rounds = 150;
const seed = commitSeed();

interface Request {
  readonly bytes: Buffer;
  readonly isCompressed: boolean;
  /** Null if it is rejected. */
  readonly inflated: Buffer | null;
}

function randomBytes(length: number, random: Seeded): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(random.below(2 ** 32), at);
  return bytes;
}

function randomRequest(random: Seeded): Request {
  const length = random.pick([0, 1, 100, 16_384, 16_385, 100_000, bytesMax, bytesMax + 1]);
  const content = random.below(2) === 0 ? Buffer.alloc(length, 'ab') : randomBytes(length, random);
  if (random.below(4) === 0) {
    const plain = content.subarray(0, bytesMax);
    return { bytes: plain, isCompressed: false, inflated: plain };
  }
  const at = random.below(content.length + 1);
  const bytes =
    random.below(4) === 0
      ? Buffer.concat([gzipSync(content.subarray(0, at)), gzipSync(content.subarray(at))])
      : gzipSync(content, { level: random.below(10) });
  if (random.below(12) !== 0) {
    return { bytes, isCompressed: true, inflated: content.length > bytesMax ? null : content };
  }
  return { bytes: mutated(bytes, random), isCompressed: true, inflated: undefined as never };
}

function mutated(bytes: Buffer, random: Seeded): Buffer {
  const copy = Buffer.from(bytes);
  switch (random.below(4)) {
    case 0:
      return copy.subarray(0, random.below(copy.length));
    case 1:
      return Buffer.concat([copy, randomBytes(1 + random.below(30), random)]);
    case 2:
      return randomBytes(random.below(200), random);
    default:
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy;
  }
}

/** What a slow reference makes of the request; null if it rejects it. */
function inflated({ bytes, isCompressed, inflated: known }: Request): Buffer | null {
  if (!isCompressed || known !== undefined) return known;
  try {
    const options = { maxOutputLength: bytesMax, info: true };
    const { buffer, engine } = gunzipSync(bytes, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return engine.bytesWritten === bytes.length && gzipHeaderFault(bytes) === null ? buffer : null;
  } catch {
    return null;
  }
}

class Owner implements CompressedRequestsOwner {
  readonly requests: Buffer[] = [];
  readonly ends: string[] = [];
  readonly isMessageUnused = false;
  readonly keepsMessages: boolean;
  requestsMax = Number.POSITIVE_INFINITY;
  subject: CompressedRequests | null = null;

  constructor(random: Seeded) {
    this.keepsMessages = random.below(2) === 0;
  }
  onInflated(request: Buffer): boolean {
    expect(this.ends).toEqual([]);
    this.requests.push(Buffer.from(request));
    if (this.requests.length >= this.requestsMax) this.#finish('cancelled');
    return this.ends.length === 0;
  }
  onAllInflated(): void {
    this.#finish('all');
  }
  onBadMessage(code: number): void {
    expect([8, 13]).toContain(code);
    this.#finish('bad');
  }
  onMemoryRefused(): void {
    this.#finish('refused');
  }
  pauseReading(): void {}
  resumeReading(): void {}
  #finish(end: string): void {
    this.ends.push(end);
    this.subject?.drop();
  }
}

/** Returns false after the end of the call. */
function feed(
  owner: Owner,
  subject: CompressedRequests,
  { bytes, isCompressed }: Request,
): boolean {
  if (owner.ends.length > 0) return false;
  if (isCompressed || subject.isBusy) return subject.add(bytes, isCompressed);
  return owner.onInflated(bytes);
}

test(`random compressed requests are inflated in order, and leave no memory (SEED=${seed})`, async () => {
  const random = new Seeded(seed);
  const slots = new InflateSlots();
  for (let round = 0; round < rounds; round++) {
    const share = new ByteShare('requests', 50_000_000, new ManualClock());
    const owner = new Owner(random);
    const subject = new CompressedRequests(owner, slots, share, { bytesMax, isHeld: false });
    owner.subject = subject;
    if (random.below(6) === 0) owner.requestsMax = 1 + random.below(6);
    const requests = Array.from({ length: random.below(12) }, () => randomRequest(random));
    for (const request of requests) {
      if (!feed(owner, subject, request)) break;
      if (random.below(3) === 0) subject.hold();
      if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      if (random.below(2) === 0 && owner.ends.length === 0) subject.unhold();
    }
    if (owner.ends.length === 0) {
      if (!subject.end()) owner.onAllInflated();
      else subject.unhold();
    }
    await until(`the end of round ${round}`, () => owner.ends.length > 0);
    const expected: Buffer[] = [];
    let end = 'all';
    for (const request of requests) {
      const content = inflated(request);
      if (content === null) end = 'bad';
      else expected.push(content);
      if (expected.length >= owner.requestsMax) end = 'cancelled';
      if (end !== 'all') break;
    }
    expect([round, owner.ends]).toEqual([round, [end]]);
    expect(owner.requests.length).toBe(expected.length);
    for (const [i, request] of owner.requests.entries()) {
      expect(request.equals(expected[i] ?? Buffer.alloc(0))).toBe(true);
    }
    expect(share.bytes).toBe(0);
  }
});
