/** bcrypt in a worker thread. The thread starts with the first comparison and does not keep the process alive. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BcryptRequest, BcryptResponse } from './bcrypt-worker.ts';

interface PendingRequest {
  resolve(matches: boolean): void;
  reject(error: Error): void;
}

export class BcryptWorker {
  readonly #pending = new Map<number, PendingRequest>();
  #worker: Worker | null = null;
  #lastId = 0;

  /** Rejects if the worker ends before it has responded. */
  compare(password: string, hash: string): Promise<boolean> {
    this.#worker ??= this.#start();
    this.#lastId += 1;
    const request: BcryptRequest = { id: this.#lastId, password, hash };
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#pending.set(request.id, { resolve, reject });
    this.#worker.postMessage(request);
    return promise;
  }

  /** Rejects pending comparisons at once. */
  close(): void {
    const worker = this.#worker;
    if (worker === null) return;
    this.#onEnd(worker, workerEnded());
    void worker.terminate();
  }

  #start(): Worker {
    // The file next to this one has the same extension: .ts in the source tree, .js in a build.
    const file = `./bcrypt-worker${extname(import.meta.filename)}`;
    const worker = new Worker(new URL(file, import.meta.url));
    worker.unref();
    worker.on('message', ({ id, matches }: BcryptResponse) => {
      this.#pending.get(id)?.resolve(matches);
      this.#pending.delete(id);
    });
    worker.on('error', (error) => this.#onEnd(worker, error));
    worker.on('exit', () => this.#onEnd(worker, workerEnded()));
    return worker;
  }

  #onEnd(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    for (const request of this.#pending.values()) request.reject(error);
    this.#pending.clear();
  }
}

function workerEnded(): Error {
  return new Error('the bcrypt worker has ended');
}
