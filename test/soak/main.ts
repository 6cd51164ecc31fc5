/**
 * Runs the soak and prints its figures. Exits with 0 when everything is back where it began.
 *
 * Run: node test/soak/main.ts [SECONDS] [SEED]
 */
import type { Observation } from './observation.ts';
import { soak } from './soak.ts';

const forMs = Number(process.argv[2] ?? 600) * 1_000;
const seed = Number(process.argv[3] ?? 1);
const beganAt = performance.now();

function line(observation: Observation): string {
  const { atMs, rssMib, heapCommittedMib, heapMib, externalMib } = observation;
  const memory = [rssMib, heapCommittedMib, heapMib, externalMib]
    .map((mib) => mib.toFixed(1).padStart(7))
    .join(' ');
  const { resources, callsStarted, callsOpen, watchStreams } = observation;
  const active = [...resources].map(([type, count]) => `${type} ${count}`).join(', ');
  const at = `${Math.round((atMs - beganAt) / 1_000)}`.padStart(5);
  return `${at} s ${memory} MiB ${callsStarted} calls, ${callsOpen} open, ${watchStreams} watch streams; ${active}`;
}

console.log(`SEED=${seed}; time; resident, heap, used heap and external memory after a collection`);
const result = await soak(forMs, seed, (observation) => console.log(line(observation)));
console.log(`before ${line(result.before)}`);
console.log(`after  ${line(result.after)}`);
console.log(
  `heap   ${JSON.stringify(result.heapBefore)} before, ${JSON.stringify(result.heapAfter)} after`,
);
console.log(`etcd   ${JSON.stringify(result.leftInEtcd)}`);
console.log(`done   ${JSON.stringify(Object.fromEntries(result.operations))}`);
console.log(result.findings.length === 0 ? 'everything is back where it began' : result.findings);
process.exitCode = result.findings.length === 0 ? 0 : 1;
