/**
 * About how many leases the clients of a tenant keep alive: an estimate of how many different requests for a keepalive there were
 * in the last one to two minutes. The proxy has no table of leases, and an exact count would need memory per lease.
 *
 * A HyperLogLog sketch (Flajolet et al., 2007) with linear counting for small numbers, in two halves of which the older one is
 * discarded every minute. The error is about 5 %, and less for a few leases.
 */

const halfMs = 60_000;
const registerBits = 9;
const registers = 2 ** registerBits;
/** The bias correction of the paper. */
const alpha = 0.7213 / (1 + 1.079 / registers);
/** A request has one field. Longer ones are not from a client library. */
const hashedBytesMax = 16;

export class KeptLeases {
  /** Null until the first keepalive, because most tenants may never have one. */
  #registers: Uint8Array | null = null;
  /** Where the current half begins: 0 or `registers`. */
  #current = 0;
  #endMs = Number.NEGATIVE_INFINITY;
  /** Negative if the registers have changed since it was computed. */
  #estimate = 0;

  /** `request` is a LeaseKeepAliveRequest. `nowMs` is on a monotonic scale. */
  requested(request: Uint8Array, nowMs: number): void {
    if (this.#registers === null || nowMs >= this.#endMs) this.#advance(nowMs);
    const sketch = this.#registers as unknown as Uint8Array;
    const hash = hashOf(request);
    const at = this.#current + (hash & (registers - 1));
    const rank = Math.clz32(hash >>> registerBits) - registerBits + 1;
    if (rank <= (sketch[at] as number)) return;
    sketch[at] = rank;
    this.#estimate = -1;
  }

  count(nowMs: number): number {
    if (this.#registers === null) return 0;
    if (nowMs >= this.#endMs) this.#advance(nowMs);
    if (this.#estimate < 0) this.#estimate = estimateOf(this.#registers);
    return this.#estimate;
  }

  #advance(nowMs: number): void {
    this.#registers ??= new Uint8Array(2 * registers);
    this.#estimate = -1;
    if (nowMs - this.#endMs >= halfMs) {
      this.#registers.fill(0);
      this.#endMs = nowMs + halfMs;
    } else {
      this.#current = registers - this.#current;
      this.#registers.fill(0, this.#current, this.#current + registers);
      this.#endMs += halfMs;
    }
  }
}

/** Of both halves together. */
function estimateOf(halves: Uint8Array): number {
  let sum = 0;
  let empty = 0;
  for (let i = 0; i < registers; i++) {
    const rank = Math.max(halves[i] as number, halves[i + registers] as number);
    sum += 2 ** -rank;
    if (rank === 0) empty += 1;
  }
  const estimate = (alpha * registers * registers) / sum;
  const isSmall = estimate <= 2.5 * registers && empty > 0;
  return Math.round(isSmall ? registers * Math.log(registers / empty) : estimate);
}

/** 32 bits that all depend on every byte: a client cannot be counted wrongly by accident, and by intention only for itself. */
function hashOf(request: Uint8Array): number {
  let hash = 0x811c9dc5;
  const length = Math.min(request.length, hashedBytesMax);
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (request[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
