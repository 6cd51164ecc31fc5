/**
 * Repeatable chance for tests. A run is named by its seed: SEED in the environment, else a fresh one; tests put it into
 * what they print when they fail.
 */
import { execFileSync } from 'node:child_process';

export const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));

/** SEED, or else the same for all runs of one commit: what fails in CI fails again until it is mended. */
export function commitSeed(): number {
  if (process.env['SEED'] !== undefined) return seed;
  try {
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' });
    return Number.parseInt(commit.slice(0, 8), 16);
  } catch {
    // Not a clone.
    return seed;
  }
}

export class Seeded {
  #state: number;

  constructor(from: number) {
    this.#state = from >>> 0;
  }

  /** An integer in [0, below). The generator is mulberry32. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  chance(share: number): boolean {
    return this.below(1_000_000) < share * 1_000_000;
  }

  pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }
}
