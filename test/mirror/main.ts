/**
 * Kills a mirror at random moments, again and again, and compares source and destination. Three quarters of the kills are without
 * compactions, where every change must arrive once and in order; the others with compactions of the source.
 *
 * Run: npm run test:mirror -- [KILLS] [SEED]
 */
import { trial } from './trial.ts';

const kills = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const compactingKills = Math.floor(kills / 4);

console.log(`SEED=${seed}`);
let hasFailed = false;
for (const [compacts, count] of [
  [false, kills - compactingKills],
  [true, compactingKills],
] as const) {
  if (count === 0) continue;
  const result = await trial({
    ...{ kills: count, seed, compacts },
    ...{ restartsEtcd: true, oldKeys: 5_000, isCompiled: true },
    onKill: (done) => {
      if (done % 10 === 0) console.log(`${done} of ${count} kills`);
    },
  });
  console.log(`${compacts ? 'with' : 'without'} compactions:`, result);
  hasFailed ||= result.problems.length > 0;
}
console.log(hasFailed ? `FAILED; repeat with SEED=${seed}` : 'source and destination are equal');
process.exit(hasFailed ? 1 : 0);
