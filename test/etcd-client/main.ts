/**
 * Runs the watch, lease and key-value tests of etcd's own Go client directly and through the proxy, and compares the results. Exits with 1
 * if a test has other results through the proxy than differences.ts states. It needs Go, and Go's module proxy.
 *
 *     npm run test:etcd-client -- [--checkout FOLDER] [--jobs N] [PATTERN]      for example: '^TestWatch'
 *
 * With a checkout of etcd, the tests of its package `cache` run as well. PATTERN is a regular expression for names of tests.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { compare, type Verdict } from './comparison.ts';
import { suites } from './suites.ts';
import { TestModule } from './test-module.ts';

const { values, positionals } = parseArgs({
  options: { checkout: { type: 'string' }, jobs: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const pattern = new RegExp(positionals[0] ?? '');
const logs = mkdtempSync(join(tmpdir(), 'etcd-client-logs-'));
using directory = new TemporaryDirectory('etcd-tests');
const checkout = values.checkout === undefined ? null : resolve(values.checkout);
const module = new TestModule(directory.path, checkout);
console.log(`tests of etcd ${module.version}, logs in ${logs}`);

const queue = suites.flatMap((suite) => {
  const tests = module.testsOf(suite).filter((test) => pattern.test(test));
  if (tests.length === 0) return [];
  const program = module.build(suite);
  return tests.map((test) => ({ program, test, suite }));
});
const total = queue.length;
const counts: Record<Verdict, number> = { same: 0, expected: 0, different: 0 };

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const { verdict, text } of await compare(next.program, next.test, next.suite, logs)) {
      counts[verdict] += 1;
      console.log(`${verdict.padEnd(9)}  ${next.test}: ${text}`);
    }
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));
const { same, expected, different } = counts;
console.log(`${total} tests: ${same} same; differences: ${expected} expected, ${different} not`);
process.exitCode = total > 0 && different === 0 ? 0 : 1;
