/**
 * Compares random ranges through a proxy that serves reads from its memory with the same ranges at etcd, and prints the figures.
 * Exits with 0 when all responses were right and most reads were served from memory. In front of a release without ordered
 * progress, most linearizable reads pass to etcd.
 *
 * Run: node test/cache/main.ts [RANGES] [SEED] [VERSION]
 *
 * VERSION is a release of etcd that `npm run test:versions` has built. Without it, etcd is the one on the PATH, or ETCD_BINARY.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../support/cached-programs.ts';

const ranges = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
const version = process.argv[4];
const problemsShown = 20;
/** Disturbances need time. */
const msPerRange = 1;

async function main(): Promise<number> {
  if (version !== undefined) {
    const binary = join(cacheFolder, `etcd-${version}`, 'etcd');
    if (!existsSync(binary)) {
      console.error(`etcd ${version} is not built: run npm run test:versions`);
      return 64;
    }
    process.env['ETCD_BINARY'] = binary;
  }
  // These read the variable.
  const { etcdVersion, ordersProgress } = await import('../support/etcd-release.ts');
  const { compareRanges } = await import('./comparison.ts');
  console.log(`etcd ${etcdVersion().join('.')}, SEED=${seed}, ${ranges} ranges`);
  const result = await compareRanges({ seed, ranges, forMs: ranges * msPerRange });
  for (const line of result.disturbances) console.log(`  ${line}`);
  for (const [name, value] of Object.entries(result.figures)) console.log(`  ${name}: ${value}`);
  const { problems, figures } = result;
  for (const problem of problems.slice(0, problemsShown)) console.log(`  WRONG ${problem}`);
  const isMostlyServed = !ordersProgress() || (figures['hits'] ?? 0) > (figures['misses'] ?? 0);
  console.log(
    problems.length > 0
      ? `${problems.length} problems`
      : `all responses were right${isMostlyServed ? '' : ', but most reads passed to etcd'}`,
  );
  return problems.length === 0 && isMostlyServed ? 0 : 1;
}

process.exitCode = await main();
