/**
 * Tells when files have other contents than before. It watches their directories and not the files, because a file is
 * mostly replaced by another one of the same name: Kubernetes swaps a symbolic link beside it. What else happens in a
 * directory changes no contents, and is not told.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** A certificate and its key are written one after the other; whoever reads between the two finds a pair that is none. */
const settleMs = 250;

export interface FileWatchOptions {
  readonly clock: Clock;
  /** May call `watch` again. */
  readonly onChange: () => void;
  /** A directory cannot be watched: what changes there is noticed only when something else asks for a reload. */
  readonly onWatchError: (directory: string, why: string) => void;
}

export class FileWatch {
  readonly #options: FileWatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: readonly string[] = [];
  #contents = '';
  #cancelTimer: CancelTimer = () => {};

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /** Replaces what was watched before. What the files hold now counts as known. */
  watch(files: readonly string[]): void {
    this.#files = files;
    this.#contents = contentsOf(files);
    const directories = new Set(files.flatMap(directoriesOf));
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) this.#add(directory);
  }

  close(): void {
    this.#cancelTimer();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #add(directory: string): void {
    if (this.#watchers.has(directory)) return;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#onEvent());
      watcher.on('error', (error) => {
        this.#watchers.delete(directory);
        this.#options.onWatchError(directory, error.message);
      });
      this.#watchers.set(directory, watcher);
    } catch (error) {
      this.#options.onWatchError(directory, (error as Error).message);
    }
  }

  #onEvent(): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(settleMs, () => {
      if (contentsOf(this.#files) !== this.#contents) this.#options.onChange();
    });
  }
}

/** Where the file is named, and where it is: either may be what is swapped. */
function directoriesOf(file: string): readonly string[] {
  try {
    return [dirname(file), dirname(realpathSync(file))];
  } catch {
    // It is not there. It may come.
    return [dirname(file)];
  }
}

function contentsOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    let bytes = Buffer.alloc(0);
    try {
      bytes = readFileSync(file);
    } catch {
      // As good as empty: whoever needs it says so.
    }
    hash.update(`${file}:${bytes.length}:`).update(bytes);
  }
  return hash.digest('base64');
}
