/**
 * Compares watches through the proxy with watches of etcd, and prints the figures of each run. Exits with 0 when all were right.
 *
 * Run: node test/watches/main.ts [RUNS] [SEED] [SECONDS]
 */
import { etcdVersion } from '../support/etcd-release.ts';
import { compareWatches } from './comparison.ts';

const runs = Number(process.argv[2] ?? 1);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const forMs = Number(process.argv[4] ?? 15) * 1_000;
let failed = 0;

for (let i = 0; i < runs; i++) {
  console.log(`etcd ${etcdVersion().join('.')}, SEED=${seed + i}`);
  const startedAt = performance.now();
  const result = await compareWatches({ seed: seed + i, watches: 1_000, forMs });
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`  ${seconds} s; ${result.disturbances.join(', ')}`);
  console.log(`  ${JSON.stringify(result.figures)}`);
  for (const loss of result.losses) console.log(`  lost: ${loss}`);
  for (const problem of result.problems.slice(0, 20)) console.log(`  WRONG ${problem}`);
  if (result.problems.length + result.losses.length > 0) failed += 1;
}
console.log(failed === 0 ? 'all watches were right' : `${failed} of ${runs} runs failed`);
process.exitCode = failed === 0 ? 0 : 1;
