/**
 * Learns how large the responses of a tenant's reads are, so that reads with large responses can be queued before they are
 * sent: etcd builds each response as a whole, in several copies, whether the proxy reads it or not. 40 ranges of 100 MB at the
 * same time take 8 GB there.
 *
 * The weight of a request is the size of its last response, if that was large. A range that was not seen before weighs as much
 * as the largest response of the tenant, which decays. Until the first range of a tenant has ended, its ranges are sent one at
 * a time. Nearly all tenants have small responses only, which weigh nothing.
 */
import { type Method, method } from '../etcd/methods.ts';
import { Reader } from '../protobuf/reader.ts';
import type { Random } from '../runtime/random.ts';
import { StatePart, type TenantState } from '../tenant/state.ts';

/** Smaller responses weigh nothing. */
const largeBytesMin = 64 << 10;
/** What a range weighs before the first one of its tenant has ended. */
const firstBytes = 1 << 20;
/** After a large response a range that is not known weighs at least this, or the size of that response. */
const unknownBytesMin = 4 << 20;
const halfLifeMs = 60_000;
/** Requests that are remembered per tenant. The oldest one is forgotten. */
const requestsMax = 256;
/** Bytes at the beginning of a request that distinguish it from others. */
const hashedBytesMax = 512;

/** Of fields 1 and 2 of RangeRequest. */
const keyTag = 0x0a;
const endTag = 0x12;

const range = method('etcdserverpb.KV/Range');
const txn = method('etcdserverpb.KV/Txn');
const deleteRange = method('etcdserverpb.KV/DeleteRange');

/** Whether responses of the method can contain many key-value pairs. */
export function returnsKeyValues(called: Method): boolean {
  return called === range || called === txn || called === deleteRange;
}

/** What is known about the reads of one tenant. */
interface Known {
  /** The largest response, and when it came. Before the first range has ended, an assumption. */
  peakBytes: number;
  peakMs: number;
  hasEnded: boolean;
  /** Bytes of the last response, by the hash of the request. */
  readonly byRequest: Map<number, number>;
}

export class ReadSizes {
  readonly #known: StatePart<Known>;
  /** Differs per process, so that a client cannot choose requests with the same hash. */
  readonly #hashSeed: number;

  constructor(random: Random) {
    this.#hashSeed = random.integer(0, 2 ** 32);
    this.#known = new StatePart(() => ({
      peakBytes: firstBytes,
      peakMs: 0,
      hasEnded: false,
      byRequest: new Map(),
    }));
  }

  /** Whether a range of the tenant has ended. */
  knows(tenant: TenantState): boolean {
    return tenant.get(this.#known).hasEnded;
  }

  /** Bytes that the response is expected to have. 0 if it is expected to be small. */
  weightOf(tenant: TenantState, called: Method, request: Uint8Array, nowMs: number): number {
    const known = tenant.get(this.#known);
    if (known.peakBytes < largeBytesMin) return 0;
    // Tenants that read single keys only never have an entry.
    if (known.byRequest.size > 0) {
      const bytes = known.byRequest.get(this.#hash(request));
      if (bytes !== undefined) return bytes < largeBytesMin ? 0 : bytes;
    }
    return called === range && hasEnd(request) ? unknownBytes(known, nowMs) : 0;
  }

  /** Called with the size of each response. */
  learn(
    tenant: TenantState,
    called: Method,
    request: Uint8Array,
    bytes: number,
    nowMs: number,
  ): void {
    const known = tenant.get(this.#known);
    if (bytes < largeBytesMin && known.peakBytes < largeBytesMin) return;
    if (!known.hasEnded) {
      if (bytes < largeBytesMin && !hasEnd(request)) return;
      known.hasEnded = true;
      known.peakBytes = bytes;
      known.peakMs = nowMs;
    } else if (bytes >= unknownBytes(known, nowMs)) {
      known.peakBytes = bytes;
      known.peakMs = nowMs;
    }
    const key = this.#hash(request);
    const isKnown = known.byRequest.delete(key);
    if (bytes < largeBytesMin && !isKnown && called !== range) return;
    known.byRequest.set(key, bytes);
    if (known.byRequest.size > requestsMax) forgetOldest(known.byRequest);
  }

  /** FNV-1a over the length and the first bytes. */
  #hash(request: Uint8Array): number {
    let hash = this.#hashSeed ^ request.length;
    const end = Math.min(request.length, hashedBytesMax);
    for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (request[i] as number), 0x01000193);
    return hash >>> 0;
  }
}

function unknownBytes({ peakBytes, peakMs, hasEnded }: Known, nowMs: number): number {
  if (!hasEnded) return peakBytes;
  const decayed = peakBytes * 2 ** ((peakMs - nowMs) / halfLifeMs);
  return Math.max(Math.min(peakBytes, unknownBytesMin), decayed);
}

/** Field 2 of RangeRequest is the end of the range. Without one it is a single key. Most requests begin with a short key. */
function hasEnd(request: Uint8Array): boolean {
  const keyBytes = request[1] ?? 0;
  if (request[0] === keyTag && keyBytes < 0x80) {
    const tag = request[2 + keyBytes];
    if (tag === undefined) return false;
    if (tag === endTag) return true;
  }
  const reader = new Reader(request);
  while (reader.next()) if (reader.field === 2) return true;
  return false;
}

function forgetOldest(sizes: Map<number, number>): void {
  for (const key of sizes.keys()) {
    sizes.delete(key);
    return;
  }
}
