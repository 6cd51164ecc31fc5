/** Reads the files that settings name. Nothing else in config/ except file-watch.ts accesses the disk. */
import { readFileSync } from 'node:fs';
import type { ProblemReporter } from './problem.ts';

/** Returns null if the path is empty or, after a report, if the file cannot be read. */
export function readFile(setting: string, path: string, report: ProblemReporter): Buffer | null {
  if (path === '') return null;
  try {
    return readFileSync(path);
  } catch (error) {
    report(setting, `cannot be read: ${(error as Error).message}`);
    return null;
  }
}
