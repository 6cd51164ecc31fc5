/** A short run of the fuzzer over connections of both roles; test/fuzz/http2/mutations.ts runs longer ones. */
import { expect, test } from 'vitest';
import { seed } from '../../support/seeded.ts';
import { fuzz } from './mutations.ts';

test(`30,000 mutated frames from seed ${seed} break nothing and leave nothing`, async () => {
  expect(await fuzz(30_000, seed)).toBeGreaterThanOrEqual(30_000);
});
