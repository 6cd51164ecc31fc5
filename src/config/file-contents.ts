/**
 * The contents of the files that a configuration names. They are read before the configuration is resolved, so that resolving
 * needs no disk. Reading takes a bounded time, even from a file system that does not respond.
 */
import { createHash } from 'node:crypto';
import { systemClock } from '../runtime/clock.ts';
import type { ProblemReporter } from './problem.ts';
import { readRegularFile } from './regular-file.ts';

/** For all files together. A thousand files on a local disk take less than half a second. */
const readTimeoutMs = 10_000;

/** A digest of the contents, by path. Empty for a file that cannot be read. */
export type FileDigests = ReadonlyMap<string, string>;

export class FileContents {
  readonly #byPath: ReadonlyMap<string, Buffer | Error>;

  private constructor(byPath: ReadonlyMap<string, Buffer | Error>) {
    this.#byPath = byPath;
  }

  /** Never rejects. A path that is in `known` is not read again. */
  static async read(paths: Iterable<string>, known?: FileContents): Promise<FileContents> {
    const byPath = new Map(known === undefined ? [] : known.#byPath);
    const deadline = new Deadline(readTimeoutMs);
    for (const path of paths) {
      if (path !== '' && !byPath.has(path)) byPath.set(path, await readBefore(deadline, path));
    }
    deadline.cancel();
    return new FileContents(byPath);
  }

  /** The error describes why the file could not be read. */
  get(path: string): Buffer | Error {
    return this.#byPath.get(path) ?? new Error('cannot be read');
  }

  /** Returns null if the path is empty or, after a report, if the file could not be read. */
  of(setting: string, path: string, report: ProblemReporter): Buffer | null {
    if (path === '') return null;
    const bytes = this.get(path);
    if (!(bytes instanceof Error)) return bytes;
    report(setting, bytes.message);
    return null;
  }

  get digests(): FileDigests {
    return new Map(Array.from(this.#byPath, ([path, bytes]) => [path, digestOf(bytes)]));
  }
}

function digestOf(bytes: Buffer | Error): string {
  return bytes instanceof Error ? '' : createHash('sha256').update(bytes).digest('base64');
}

class Deadline {
  readonly passed: Promise<Error>;
  readonly cancel: () => void;
  hasPassed = false;

  constructor(timeoutMs: number) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.passed = promise;
    this.cancel = systemClock.after(timeoutMs, () => {
      this.hasPassed = true;
      resolve(new Error(`cannot be read within ${timeoutMs / 1_000} s`));
    });
  }
}

/**
 * Files of a process are read one after the other. A read that does not end occupies a thread of Node's pool, which has few:
 * this bounds them to one, however often the configuration is loaded meanwhile.
 */
let lastRead: Promise<unknown> = Promise.resolve();

function readBefore(deadline: Deadline, path: string): Promise<Buffer | Error> {
  const read = async () => (deadline.hasPassed ? deadline.passed : readRegularFile(path));
  const settled = lastRead
    .then(read)
    .catch((error: Error) => new Error(`cannot be read: ${error.message}`));
  lastRead = settled;
  return Promise.race([settled, deadline.passed]);
}
