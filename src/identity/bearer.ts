/**
 * Bearer tokens: JWTs that somebody else has signed, verified with public keys at hand. A token is verified once and then
 * known until it expires, so that all but its first call are a look-up. Only what the configuration pins is accepted:
 * algorithm, issuer, audience, and an end.
 */
import { createLocalJWKSet, errors, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import type { BearerConfig } from '../config/sections/bearer.ts';
import type { Peer } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';

export interface BearerBounds {
  readonly tokenBytesMax: number;
  /** Of all known tokens. Beyond it the one that was verified first is forgotten. */
  readonly knownBytesMax: number;
  /** Under way, of one connection: each costs a signature's verification. */
  readonly perConnectionMax: number;
}

export const bearerBounds: BearerBounds = {
  tokenBytesMax: 8 << 10,
  knownBytesMax: 16 << 20,
  perConnectionMax: 16,
};

/** What a token turned out to be: the identity `claim:VALUE`, no good, or not looked at since too many are. */
export type Verified = { readonly identity: string } | 'invalid' | 'busy';

interface Known {
  readonly identity: string;
  readonly expiresAtMs: number;
}

export class BearerTokens {
  readonly config: BearerConfig;
  readonly #clock: Clock;
  readonly #bounds: BearerBounds;
  readonly #keys: ReturnType<typeof createLocalJWKSet>;
  /** In the order in which they were verified. */
  readonly #known = new Map<string, Known>();
  readonly #underWay = new WeakMap<Peer, number>();
  #knownBytes = 0;

  constructor(config: BearerConfig, clock: Clock, bounds: BearerBounds = bearerBounds) {
    this.config = config;
    this.#clock = clock;
    this.#bounds = bounds;
    this.#keys = createLocalJWKSet({ keys: [...config.keys] });
  }

  /** At once for a token that is known or cannot be one; a promise, which never rejects, for any other. */
  verify(token: string, peer: Peer): Verified | Promise<Verified> {
    const known = this.#known.get(token);
    if (known !== undefined) {
      if (this.#clock.epochMs() < known.expiresAtMs) return known;
      this.#forget(token);
      return 'invalid';
    }
    if (token.length > this.#bounds.tokenBytesMax) return 'invalid';
    const underWay = this.#underWay.get(peer) ?? 0;
    if (underWay >= this.#bounds.perConnectionMax) return 'busy';
    this.#underWay.set(peer, underWay + 1);
    return this.#verify(token).finally(() => {
      this.#underWay.set(peer, (this.#underWay.get(peer) ?? 1) - 1);
    });
  }

  async #verify(token: string): Promise<Verified> {
    const payload = await this.#payloadOf(token);
    if (payload === null) return 'invalid';
    const value = payload[this.config.claim];
    if (typeof value !== 'string' || value === '' || payload.exp === undefined) return 'invalid';
    const known = { identity: `claim:${value}`, expiresAtMs: payload.exp * 1_000 };
    this.#remember(token, known);
    return known;
  }

  /** Null for every token that is not good, whatever is wrong with it. */
  async #payloadOf(token: string): Promise<JWTPayload | null> {
    const { issuer, audience, algorithms } = this.config;
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
      // Without a key ID, or while keys are being replaced: any of those that match may have signed it.
      for await (const key of error) {
        const result: JWTVerifyResult | null = await jwtVerify(token, key, options).catch(
          () => null,
        );
        if (result !== null) return result.payload;
      }
      return null;
    }
  }

  #remember(token: string, known: Known): void {
    if (this.#known.has(token)) return;
    this.#known.set(token, known);
    this.#knownBytes += token.length;
    for (const oldest of this.#known.keys()) {
      if (this.#knownBytes <= this.#bounds.knownBytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(token: string): void {
    if (this.#known.delete(token)) this.#knownBytes -= token.length;
  }
}

/** Whether tokens that were verified by one are good by the other. */
export function isSameBearer(one: BearerConfig, other: BearerConfig): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
