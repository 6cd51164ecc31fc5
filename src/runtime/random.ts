/** The injected source of random numbers, so that a test can repeat a seeded run. */
import { randomInt } from 'node:crypto';

export interface Random {
  /** An integer in [min, max). Cryptographically strong in production, because lease IDs and tokens are drawn from it. */
  integer(min: number, max: number): number;
}

export const systemRandom: Random = { integer: (min, max) => randomInt(min, max) };

/** `baseMs` plus or minus at most `share` of it, so that processes do not synchronize. */
export function jittered(random: Random, baseMs: number, share: number): number {
  const spread = Math.floor(baseMs * share);
  return spread === 0 ? baseMs : baseMs - spread + random.integer(0, 2 * spread + 1);
}
