/** Short runs of the connection fuzzers for both roles. Run mutations.ts and splits.ts directly for longer ones. */
import { expect, test } from 'vitest';
import { commitSeed } from '../../support/seeded.ts';
import { fuzz } from './mutations.ts';
import { splits } from './splits.ts';

const seed = commitSeed();
/** Thousands of connections take seconds, and longer on a busy machine. */
const timeoutMs = 60_000;

test(
  `30,000 mutated frames cause no exception and no leak (SEED=${seed})`,
  async () => {
    expect(await fuzz(30_000, seed)).toBeGreaterThanOrEqual(30_000);
  },
  timeoutMs,
);

test(
  `a connection has the same effect wherever its reads are split (SEED=${seed})`,
  async () => {
    expect(await splits(200, seed)).toBeGreaterThan(3_000);
  },
  timeoutMs,
);
