/** Chance, handed in, for the same reason as the clock: a seeded run can be repeated. */
import { randomInt } from 'node:crypto';

export interface Random {
  /** An integer in [min, max). The system's source cannot be guessed: lease IDs are drawn from it. */
  integer(min: number, max: number): number;
}

export const systemRandom: Random = { integer: (min, max) => randomInt(min, max) };

/** `baseMs` plus or minus up to `share` of it, so that many processes do not act in step. */
export function jittered(random: Random, baseMs: number, share: number): number {
  const spread = Math.floor(baseMs * share);
  return spread === 0 ? baseMs : baseMs - spread + random.integer(0, 2 * spread + 1);
}
