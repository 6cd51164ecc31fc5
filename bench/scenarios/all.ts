/** Every scenario by its name on the command line. */
import type { Scenario } from '../scenario.ts';
import { keepalives } from './keepalives.ts';
import { range10k } from './range-10k.ts';
import { tls } from './tls.ts';
import { unary } from './unary.ts';
import { watchesIdleMemory } from './watches-idle-memory.ts';
import { workers } from './workers.ts';

export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  [unary, range10k, watchesIdleMemory, tls, keepalives, workers].map((scenario) => [
    scenario.name,
    scenario,
  ]),
);
