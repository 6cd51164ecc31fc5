/**
 * Runs etcd's own end-to-end tests that start `grpc-proxy` (build tag cluster_proxy) with etcd's proxy and with this one in its place, and
 * compares the results. No flag and no test is changed. Exits with 1 if a test that passes with etcd's proxy does not pass here, and
 * differences.ts has no reason for it. It needs Go, and a checkout of etcd 3.4 or 3.6.
 *
 *     npm run build && npm run test:etcd-e2e -- --checkout FOLDER [--suite e2e|common] [PATTERN]      for example: '^TestCtlV3Watch'
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Checkout } from './checkout.ts';
import { differences } from './differences.ts';
import { isolation, runTest } from './test-run.ts';

const { values, positionals } = parseArgs({
  options: { checkout: { type: 'string' }, suite: { type: 'string', default: 'e2e' } },
  allowPositionals: true,
});
if (values.checkout === undefined) throw new Error('--checkout names a checkout of etcd');

/** Tests depend on time, and etcd's own results differ from run to run on a busy machine. */
const attemptsMax = 3;

const pattern = new RegExp(positionals[0] ?? '');
const logs = mkdtempSync(join(tmpdir(), 'etcd-e2e-logs-'));
const checkout = new Checkout(resolve(values.checkout));
console.log(`end-to-end tests of etcd ${checkout.line}, ${isolation()}, logs in ${logs}`);
const program = checkout.build(values.suite);
const tests = program.tests.filter((test) => pattern.test(test));

type Verdict = 'same' | 'expected' | 'different' | 'not comparable';
const counts: Record<Verdict, number> = { same: 0, expected: 0, different: 0, 'not comparable': 0 };

/** Whether the test passes at one of the attempts. */
async function passes(test: string, programs: string, name: string): Promise<boolean> {
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const log = join(logs, `${test}, ${name}, ${attempt}.log`);
    const outcome = (await runTest(program, programs, test, log)).get(test);
    if (outcome !== 'FAIL') return true;
  }
  return false;
}

async function compare(test: string): Promise<readonly [Verdict, string]> {
  if (await passes(test, program.ownPrograms, 'etcd-bulkhead')) return ['same', ''];
  const reason = differences.get(test);
  if (reason !== undefined) return ['expected', reason];
  // Only now, because nearly all tests pass.
  const isPassed = await passes(test, program.etcdPrograms, 'etcd');
  return isPassed ? ['different', 'passes with etcd'] : ['not comparable', 'fails with etcd, too'];
}

for (const test of tests) {
  const [verdict, reason] = await compare(test);
  counts[verdict] += 1;
  console.log(`${verdict.padEnd(14)}  ${test}${reason && `: ${reason}`}`);
}
const { same, expected, different } = counts;
console.log(
  `${tests.length} tests: ${same} pass or are skipped; ${expected} expected differences, ` +
    `${different} others; ${counts['not comparable']} fail with etcd's proxy, too`,
);
process.exitCode = tests.length > 0 && different === 0 ? 0 : 1;
