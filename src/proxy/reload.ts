/**
 * When a configuration is read again: on request, which is SIGHUP, and when a file that it was read from has other contents.
 * One at a time, in order. What to do with it, and what to leave as it is when it is wrong, is the proxy's to decide.
 */
import { FileWatch } from '../config/file-watch.ts';
import type { LoadResult } from '../config/load.ts';
import type { Logger } from '../observe/logger.ts';
import type { Clock } from '../runtime/clock.ts';

export interface ReloaderOptions {
  /** Reads everything again. */
  readonly load: () => Promise<LoadResult>;
  /** Puts it in force, or reports what is wrong with it. Never rejects. */
  readonly apply: (loaded: LoadResult) => Promise<void>;
  /** What the configuration in force was read from. */
  readonly files: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #watch: FileWatch;
  #files: readonly string[];
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ReloaderOptions) {
    const { clock, logger, files } = options;
    this.#options = options;
    this.#files = files;
    this.#watch = new FileWatch({
      clock,
      onChange: () => void this.reload('a file has changed'),
      onWatchError: (directory, why) => logger.warn('directory is not watched', { directory, why }),
    });
    this.#watch.watch(files);
  }

  /** Resolves when the configuration was put in force or found to be wrong. `why` is for the log. */
  reload(why: string): Promise<void> {
    this.#last = this.#last.then(() => this.#reload(why));
    return this.#last;
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  async #reload(why: string): Promise<void> {
    if (this.#isClosed) return;
    const { load, apply, logger } = this.#options;
    logger.info('reloading', { why });
    // First, so that a file that changes while it is read is read again.
    this.#watch.watch(this.#files);
    const loaded = await load();
    // Also those that only the configuration in force knows: the new one may have been too broken to name its files.
    const files = [...new Set([...this.#options.files, ...loaded.files])];
    if (files.join() !== this.#files.join()) this.#watch.watch(files);
    this.#files = files;
    await apply(loaded);
  }
}
