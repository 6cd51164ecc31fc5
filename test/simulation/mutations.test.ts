/** Each deliberate break of the hub is caught by the simulation. */
import { describe, expect, test } from 'vitest';
import { mutations } from './mutations/list.ts';
import { runMutation } from './mutations/run.ts';

/** Most breaks are caught within 100 scenarios. */
const scenarios = 4_000;
const seed = 1;

describe('the simulation catches that', () => {
  test.each(mutations)('$what', async (mutation) => {
    const { isCaught, output } = await runMutation(mutation, scenarios, seed);
    expect(isCaught, output).toBe(true);
  });
});
