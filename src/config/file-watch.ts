/**
 * Notifies when the contents of files change. It watches the directories, because files are usually replaced and not
 * written in place: Kubernetes swaps a symbolic link beside them. Events that change no contents cause no notification.
 */
import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { FileContents, type FileDigests } from './file-contents.ts';

/** A certificate and its key are written one after the other. Reading between the two would find a mismatched pair. */
const settleMs = 250;
/** For a directory in which other files change all the time. A change is loaded within a second. */
const settleMsMax = 500;

export interface FileWatchOptions {
  readonly clock: Clock;
  /** May call `watch` again. */
  readonly onChange: () => void;
  /** A directory cannot be watched: changes in it are found only when a reload is requested otherwise. */
  readonly onWatchError: (directory: string, reason: string) => void;
}

export class FileWatch {
  readonly #options: FileWatchOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: FileDigests = new Map();
  /** The first event that no check has followed yet. */
  #eventMs: number | null = null;
  #cancelTimer: CancelTimer = () => {};
  #isClosed = false;

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /** Replaces the set of watched files. Changes are relative to these contents. */
  watch(files: FileDigests): void {
    this.#files = files;
    const directories = new Set([...files.keys()].flatMap(directoriesOf));
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of directories) this.#add(directory);
    // A file may have changed after it was read and before its directory was watched.
    this.#onEvent();
  }

  close(): void {
    this.#isClosed = true;
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
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    this.#eventMs ??= nowMs;
    const delayMs = Math.min(settleMs, this.#eventMs + settleMsMax - nowMs);
    this.#cancelTimer();
    this.#cancelTimer = clock.after(delayMs, () => void this.#check());
  }

  async #check(): Promise<void> {
    this.#eventMs = null;
    const { digests } = await FileContents.read(this.#files.keys());
    const hasChanged = [...this.#files].some(([path, digest]) => digests.get(path) !== digest);
    if (hasChanged && !this.#isClosed) this.#options.onChange();
  }
}

/** The directory of the path and that of the real file: a replacement can happen in either. */
function directoriesOf(file: string): readonly string[] {
  try {
    return [dirname(file), dirname(realpathSync(file))];
  } catch {
    // The file does not exist yet.
    return [dirname(file)];
  }
}
