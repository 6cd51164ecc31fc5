/** Every scenario by its name on the command line. */
import type { Scenario } from '../scenario.ts';
import { cachedCalls } from './cached-calls.ts';
import { json } from './json.ts';
import { keepalives } from './keepalives.ts';
import { observe } from './observe.ts';
import { overload } from './overload.ts';
import { range10k } from './range-10k.ts';
import { tls } from './tls.ts';
import { transfer } from './transfer.ts';
import { unary } from './unary.ts';
import { watchFanout } from './watch-fanout.ts';
import { watchIdleMemory } from './watch-idle-memory.ts';
import { watchJoins } from './watch-joins.ts';
import { watchKeys } from './watch-keys.ts';
import { watchLocalCost } from './watch-local-cost.ts';
import { watchOne } from './watch-one.ts';
import { watchWriteContention } from './watch-write-contention.ts';
import { watchesIdleMemory } from './watches-idle-memory.ts';
import { workers } from './workers.ts';

const all: readonly Scenario[] = [
  unary,
  overload,
  range10k,
  tls,
  watchesIdleMemory,
  watchFanout,
  watchLocalCost,
  watchOne,
  watchWriteContention,
  watchJoins,
  watchIdleMemory,
  watchKeys,
  keepalives,
  json,
  transfer,
  observe,
  cachedCalls,
  workers,
];

export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  all.map((scenario) => [scenario.name, scenario]),
);
