/**
 * Runs many scenarios of the simulation. Exits with 1 at the first seed that fails, after it has printed what was violated and
 * the command that repeats it.
 *
 * Run: npm run test:simulation -- [SCENARIOS] [SEED]
 */
import { CacheTotals } from './cache-totals.ts';
import { report } from './report.ts';
import { runScenario } from './scenario.ts';

const scenarios = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const progressMs = 5_000;

const beganAt = performance.now();
let printedAt = beganAt;
let delivered = 0;
const cache = new CacheTotals();
console.log(`${scenarios} scenarios, SEED=${seed}`);
for (let i = 0; i < scenarios; i++) {
  const outcome = runScenario(seed + i);
  delivered += outcome.delivered;
  cache.add(outcome.cache);
  if (outcome.violations.length > 0) {
    console.log(report(outcome, scenarios === 1));
    process.exit(1);
  }
  const now = performance.now();
  if (now - printedAt < progressMs) continue;
  printedAt = now;
  const perSecond = Math.round(((i + 1) * 1_000) / (now - beganAt));
  console.log(`${i + 1} of ${scenarios}, ${perSecond} per second, ${delivered} events delivered`);
}
const seconds = ((performance.now() - beganAt) / 1_000).toFixed(1);
console.log(`${scenarios} scenarios in ${seconds} s, ${delivered} events delivered, no violation`);
console.log(`reads: ${cache}`);
