/** Each deliberate break of the hub and the cache is caught by the simulation. */
import { describe, expect, test } from 'vitest';
import { cacheMutations } from './mutations/cache.ts';
import { mutations } from './mutations/list.ts';
import { runMutation } from './mutations/run.ts';

/** Most breaks are caught within 100 scenarios. */
const scenariosMax = 4_000;
const seed = 1;
const timeoutMs = 120_000;

describe('the simulation catches that', () => {
  test.each([...mutations, ...cacheMutations])(
    '$what',
    async (mutation) => {
      const { outcome, output } = await runMutation(mutation, { scenariosMax, seed, timeoutMs });
      expect(outcome, output).toBe('caught');
    },
    timeoutMs + 30_000,
  );
});
