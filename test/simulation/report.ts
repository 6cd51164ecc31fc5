/** What is printed of a scenario that failed. */

import type { Plan, TimedAction } from './plan.ts';
import type { Outcome } from './scenario.ts';
import { runScenario } from './scenario.ts';

/** Runs of a scenario to make it smaller. */
const shrinkRunsMax = 400;

/** `isDetailed`: with the smallest plan that still fails, and everything that its clients observed. */
export function report(outcome: Outcome, isDetailed: boolean): string {
  const { seed, violations } = outcome;
  const lines = [`seed ${seed} violates:`, ...violations.map((each) => `  ${each}`)];
  if (isDetailed) {
    const small = shrink(outcome);
    lines.push('', 'the smallest plan that fails:');
    for (const { atMs, action } of small.plan.actions)
      lines.push(`  ${atMs} ms ${JSON.stringify(action)}`);
    lines.push('', 'violates:', ...small.violations.map((each) => `  ${each}`));
    lines.push('', small.describe());
  }
  lines.push('', `repeat with: npm run test:simulation -- 1 ${seed}`);
  return lines.join('\n');
}

/** Removes actions while the scenario still fails, first many at a time. */
function shrink(outcome: Outcome): Outcome {
  let smallest = outcome;
  let runs = 0;
  for (let size = outcome.plan.actions.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < smallest.plan.actions.length && runs < shrinkRunsMax; runs++) {
      const next = runScenario(outcome.seed, without(smallest.plan, from, size));
      if (next.violations.length > 0) smallest = next;
      else from += size;
    }
  }
  return smallest;
}

function without(plan: Plan, from: number, count: number): Plan {
  const actions: TimedAction[] = [...plan.actions];
  actions.splice(from, count);
  return { ...plan, actions };
}
