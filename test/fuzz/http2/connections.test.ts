/** Short runs of the fuzzers over connections of both roles; mutations.ts and splits.ts themselves run longer ones. */
import { expect, test } from 'vitest';
import { commitSeed } from '../../support/seeded.ts';
import { fuzz } from './mutations.ts';
import { splits } from './splits.ts';

const seed = commitSeed();

test(`30,000 mutated frames break nothing and leave nothing (SEED=${seed})`, async () => {
  expect(await fuzz(30_000, seed)).toBeGreaterThanOrEqual(30_000);
});

test(`a connection is heard alike, wherever its reads end (SEED=${seed})`, async () => {
  expect(await splits(200, seed)).toBeGreaterThan(3_000);
});
