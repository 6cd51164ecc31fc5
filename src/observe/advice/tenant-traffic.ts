/**
 * What the advice has observed of one tenant: sketches and counts that fade, so that they describe about the last ten minutes. Its
 * memory is bounded by about 15 KB.
 */
import type { CallSample } from './call-sample.ts';
import { prefixesOf } from './request-keys.ts';
import { SpaceSaving } from './space-saving.ts';

const keysMax = 32;
const prefixesMax = 24;
const addressesMax = 8;

/** The mean age of what is counted. */
const windowMs = 600_000;

/** Something large: how often it occurred, and the largest one. */
export class LargeOnes {
  count = 0;
  bytesMax = 0;
  /** Where the largest one was: a key or a prefix, one character per byte. */
  subject = '';
  items = 0;

  add(bytes: number, subject: string, items = 0): void {
    this.count += 1;
    if (bytes <= this.bytesMax) return;
    this.bytesMax = bytes;
    this.subject = subject;
    this.items = items;
  }

  decay(factor: number): void {
    this.count *= factor;
    if (this.count >= 0.5) return;
    this.count = 0;
    this.bytesMax = 0;
    this.subject = '';
    this.items = 0;
  }
}

export class TenantTraffic {
  readonly keys = new SpaceSaving(keysMax);
  readonly prefixes = new SpaceSaving(prefixesMax);
  /** New connections by the address of the client, without its port. */
  readonly connections = new SpaceSaving(addressesMax);
  readonly largeValues = new LargeOnes();
  readonly largeRanges = new LargeOnes();
  /** Estimates from samples, of calls that name keys. */
  calls = 0;
  grants = 0;
  /** Of the grants, those with a TTL of a few seconds. */
  shortGrants = 0;
  keepAlives = 0;
  /** Events of watches of the whole namespace. */
  wholeEvents = 0;
  /** The time in which the counts above were made. It fades as they do. */
  seconds = 0;
  /** When a range of a large response was last decoded. */
  decodedMs = Number.NEGATIVE_INFINITY;
  /** Whether anything was counted since the last decay. Set by the owner. */
  isTouched = true;
  idleMs = 0;

  add({ weight, keys }: CallSample, bytes: number): void {
    this.calls += weight;
    const weightedBytes = weight * bytes;
    for (const { text, isRange, isWrite } of keys) {
      const writes = isWrite ? weight : 0;
      if (!isRange) this.keys.add(text, weight, weightedBytes, writes);
      for (const prefix of prefixesOf(text)) {
        this.prefixes.add(prefix, weight, weightedBytes, writes);
      }
    }
  }

  decay(passedMs: number): void {
    const factor = Math.exp(-passedMs / windowMs);
    this.keys.decay(factor);
    this.prefixes.decay(factor);
    this.connections.decay(factor);
    this.largeValues.decay(factor);
    this.largeRanges.decay(factor);
    this.calls *= factor;
    this.grants *= factor;
    this.shortGrants *= factor;
    this.keepAlives *= factor;
    this.wholeEvents *= factor;
    this.seconds = this.seconds * factor + passedMs / 1_000;
    this.idleMs = this.isTouched ? 0 : this.idleMs + passedMs;
    this.isTouched = false;
  }
}
