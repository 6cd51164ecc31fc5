/**
 * A new directory in the system's temporary directory. It is removed with its contents when it is disposed of or when
 * the process ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

export class TemporaryDirectory implements Disposable {
  readonly path: string;
  readonly #unregister: () => void;

  /** `name` becomes part of the directory's name. */
  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `bulkhead-${name}-`));
    this.#unregister = atExit(() => this.#remove());
  }

  [Symbol.dispose](): void {
    this.#remove();
    this.#unregister();
  }

  /** Retries for a while if a process that is just ending has written another file. */
  #remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}
