/**
 * Verifies bearer tokens (JWTs) by one configuration, with its local public keys. The result is cached until the token
 * expires, so only the first call with a token pays for the verification. The configuration fixes algorithms, issuer and
 * audience, and a token must have an expiry.
 */
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyResult } from 'jose';
import type { BearerConfig } from '../config/sections/bearer.ts';
import type { Peer } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';

export interface BearerBounds {
  readonly tokenBytesMax: number;
  /** Total length of the cached tokens. Beyond it the entry that was verified first is evicted. */
  readonly cacheBytesMax: number;
  /** Verifications in flight per connection: each costs the verification of a signature. */
  readonly perConnectionMax: number;
}

export const bearerBounds: BearerBounds = {
  tokenBytesMax: 8 << 10,
  cacheBytesMax: 16 << 20,
  perConnectionMax: 16,
};

/** The identity `claim:VALUE`, or why the token is refused. `busy`: too many verifications are in flight. */
export type VerificationResult = { readonly identity: string } | 'invalid' | 'busy';

/** Loaded at the first verification, so that a process without bearer tokens does not hold the library in memory. */
let library: Promise<typeof import('jose')> | null = null;

interface CacheEntry {
  readonly identity: string;
  readonly expiresAtMs: number;
}

export class BearerVerifier {
  readonly #config: BearerConfig;
  readonly #clock: Clock;
  readonly #bounds: BearerBounds;
  /** Null until the first verification. */
  #keys: JWTVerifyGetKey | null = null;
  /** By token, in the order of verification. */
  readonly #cache = new Map<string, CacheEntry>();
  readonly #inFlight = new WeakMap<Peer, number>();
  #cacheBytes = 0;

  constructor(config: BearerConfig, clock: Clock, bounds: BearerBounds = bearerBounds) {
    this.#config = config;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** Returns a promise, which never rejects, only for a token that must be verified first. */
  verify(token: string, peer: Peer): VerificationResult | Promise<VerificationResult> {
    const cached = this.#cache.get(token);
    if (cached !== undefined) {
      if (this.#clock.epochMs() < cached.expiresAtMs) return cached;
      this.#evict(token);
      return 'invalid';
    }
    if (token.length > this.#bounds.tokenBytesMax) return 'invalid';
    const inFlight = this.#inFlight.get(peer) ?? 0;
    if (inFlight >= this.#bounds.perConnectionMax) return 'busy';
    this.#inFlight.set(peer, inFlight + 1);
    return this.#verify(token).finally(() => {
      this.#inFlight.set(peer, (this.#inFlight.get(peer) ?? 1) - 1);
    });
  }

  /** The identity of a valid token in the cache. */
  cached(token: string): string | null {
    const cached = this.#cache.get(token);
    return cached !== undefined && this.#clock.epochMs() < cached.expiresAtMs
      ? cached.identity
      : null;
  }

  async #verify(token: string): Promise<VerificationResult> {
    const payload = await this.#payloadOf(token);
    if (payload === null) return 'invalid';
    const value = payload[this.#config.claim];
    if (typeof value !== 'string' || value === '' || payload.exp === undefined) return 'invalid';
    const entry = { identity: `claim:${value}`, expiresAtMs: payload.exp * 1_000 };
    this.#add(token, entry);
    return entry;
  }

  /** Returns null for every invalid token, whatever the reason. */
  async #payloadOf(token: string): Promise<JWTPayload | null> {
    library ??= import('jose');
    const { createLocalJWKSet, errors, jwtVerify } = await library;
    const { issuer, audience, algorithms, keys } = this.#config;
    this.#keys ??= createLocalJWKSet({ keys: [...keys] });
    const options = {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ['exp'],
      currentDate: new Date(this.#clock.epochMs()),
    };
    try {
      return (await jwtVerify(token, this.#keys, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return null;
      // Several keys match a token without a key ID, for example during a key rotation. Any of them may have signed it.
      for await (const key of error) {
        const result: JWTVerifyResult | null = await jwtVerify(token, key, options).catch(
          () => null,
        );
        if (result !== null) return result.payload;
      }
      return null;
    }
  }

  #add(token: string, entry: CacheEntry): void {
    if (this.#cache.has(token)) return;
    this.#cache.set(token, entry);
    this.#cacheBytes += token.length;
    for (const oldest of this.#cache.keys()) {
      if (this.#cacheBytes <= this.#bounds.cacheBytesMax) break;
      this.#evict(oldest);
    }
  }

  #evict(token: string): void {
    if (this.#cache.delete(token)) this.#cacheBytes -= token.length;
  }
}
