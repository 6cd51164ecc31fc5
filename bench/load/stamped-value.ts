/**
 * The value that the load programs write: the sequence number of its key, and the time at which the put was sent. The clock
 * is CLOCK_MONOTONIC, which all processes of a machine share.
 */

const sequenceAt = 0;
const timeAt = 4;
export const stampBytes = 12;

/** From `performance.now`, which is cheap to call, to the shared clock. The first readings are slow, so the best counts. */
function measureClockOffsetUs(): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < 1000; i += 1) {
    const sharedUs = Number(process.hrtime.bigint()) / 1000;
    best = Math.max(best, sharedUs - performance.now() * 1000);
  }
  return best;
}

const clockOffsetUs = measureClockOffsetUs();

/** Microseconds. */
export function nowUs(): number {
  return performance.now() * 1000 + clockOffsetUs;
}

export function stampedValue(bytes: number, sequence: number): Buffer {
  const value = Buffer.alloc(Math.max(bytes, stampBytes), 'v');
  value.writeUInt32BE(sequence, sequenceAt);
  value.writeDoubleBE(nowUs(), timeAt);
  return value;
}

export function sequenceOf(bytes: Buffer, valueStart: number): number {
  return bytes.readUInt32BE(valueStart + sequenceAt);
}

export function sentAtUs(bytes: Buffer, valueStart: number): number {
  return bytes.readDoubleBE(valueStart + timeAt);
}

const indexDigits = 5;

/** A key that ends in a number. */
export function indexedKey(prefix: string, index: number): string {
  return prefix + String(index).padStart(indexDigits, '0');
}

/** The number at the end of a key. */
export function indexOf(bytes: Buffer, keyEnd: number): number {
  let index = 0;
  for (let at = keyEnd - indexDigits; at < keyEnd; at += 1) {
    index = index * 10 + (bytes[at] ?? 0) - 0x30;
  }
  return index;
}
