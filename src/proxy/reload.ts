/**
 * Triggers reloads: on SIGHUP, and when one of the files of the configuration has changed. Reloads, and other changes of the active
 * configuration, run one after the other. configuration-applier.ts applies the result of a reload or rejects it.
 */
import type { FileDigests } from '../config/file-contents.ts';
import { FileWatch } from '../config/file-watch.ts';
import type { LoadResult } from '../config/load.ts';
import type { Logger } from '../observe/logger.ts';
import type { Clock } from '../runtime/clock.ts';

export interface ReloaderOptions {
  /** Reads flags, environment and files again. Never rejects. */
  readonly load: () => Promise<LoadResult>;
  /** Applies the configuration, or reports its problems. Never rejects. */
  readonly apply: (loaded: LoadResult) => Promise<void>;
  /** The files of the active configuration, as they were read. */
  readonly files: FileDigests;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #watch: FileWatch;
  #files: FileDigests;
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ReloaderOptions) {
    const { clock, logger, files } = options;
    this.#options = options;
    this.#files = files;
    this.#watch = new FileWatch({
      clock,
      onChange: () => void this.reload('a file has changed'),
      onWatchError: (directory, reason) =>
        logger.warn('directory is not watched', { directory, reason }),
    });
    this.#watch.watch(files);
  }

  /** Resolves when the configuration was applied or rejected. `reason` is for the log. */
  reload(reason: string): Promise<void> {
    return this.run(() => this.#reload(reason));
  }

  /** Runs `change` when no reload is in progress. It must not reject. */
  run(change: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => (this.#isClosed ? undefined : change()));
    return this.#last;
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  async #reload(reason: string): Promise<void> {
    const { load, apply, logger } = this.#options;
    logger.info('reloading', { reason });
    const loaded = await load();
    // Includes the files of the first configuration, because an invalid one may not name its files.
    const first = [...this.#files].filter(([path]) => this.#options.files.has(path));
    this.#files = new Map([...first, ...loaded.files]);
    this.#watch.watch(this.#files);
    await apply(loaded);
  }
}
