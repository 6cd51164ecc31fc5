/** Reading the files that settings name: the only place where the configuration touches a disk. */
import { readFileSync } from 'node:fs';

/** Called with the setting or the key that a mistake is about. */
export type ProblemReporter = (setting: string, what: string) => void;

/** Null when no file was named, or when it cannot be read: that is reported. */
export function readFile(setting: string, path: string, report: ProblemReporter): Buffer | null {
  if (path === '') return null;
  try {
    return readFileSync(path);
  } catch (error) {
    report(setting, `cannot be read: ${(error as Error).message}`);
    return null;
  }
}
