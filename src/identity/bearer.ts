/**
 * Verifies bearer tokens by the configuration of the current directory. Cached results survive a reload that leaves this
 * configuration as it was; any other reload drops the cache.
 */
import type { BearerConfig } from '../config/sections/bearer.ts';
import type { Peer } from '../grpc/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { BearerVerifier, type VerificationResult } from './bearer-verifier.ts';

export class BearerTokens {
  readonly #clock: Clock;
  #current: { readonly config: BearerConfig; readonly verifier: BearerVerifier } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As `BearerVerifier.verify`. `config` is the same object until the next reload. */
  verify(
    config: BearerConfig,
    token: string,
    peer: Peer,
  ): VerificationResult | Promise<VerificationResult> {
    return this.#verifierOf(config).verify(token, peer);
  }

  /** The identity of a token that was verified before and is still valid. Null otherwise: nothing is verified now. */
  verified(config: BearerConfig, token: string): string | null {
    return this.#verifierOf(config).cached(token);
  }

  #verifierOf(config: BearerConfig): BearerVerifier {
    const current = this.#current;
    if (current?.config === config) return current.verifier;
    const verifier =
      current !== null && isSame(current.config, config)
        ? current.verifier
        : new BearerVerifier(config, this.#clock);
    this.#current = { config, verifier };
    return verifier;
  }
}

function isSame(one: BearerConfig, other: BearerConfig): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
