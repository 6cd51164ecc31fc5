/**
 * A directory of its own in the system's temporary one: gone, with everything in it, when it is disposed of or when the
 * process ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

export class TemporaryDirectory implements Disposable {
  readonly path: string;
  readonly #unregister: () => void;

  /** `name` tells a reader of the system's temporary directory what it is for. */
  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `bulkhead-${name}-`));
    this.#unregister = atExit(() => this.#remove());
  }

  [Symbol.dispose](): void {
    this.#remove();
    this.#unregister();
  }

  /** Tries again for a while when a process that is just ending has written another file. */
  #remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}
