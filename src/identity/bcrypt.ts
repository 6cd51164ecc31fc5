/** bcrypt in a worker thread, which is started when the first such hash is met. It does not keep the process alive. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BcryptAnswer, BcryptQuestion } from './bcrypt-worker.ts';

interface Asker {
  resolve(isRight: boolean): void;
  reject(error: Error): void;
}

export class BcryptWorker {
  readonly #askers = new Map<number, Asker>();
  #worker: Worker | null = null;
  #asked = 0;

  /** Rejects when the worker is gone before it has answered. */
  ask(password: string, hash: string): Promise<boolean> {
    this.#worker ??= this.#start();
    this.#asked += 1;
    const question: BcryptQuestion = { id: this.#asked, password, hash };
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#askers.set(question.id, { resolve, reject });
    this.#worker.postMessage(question);
    return promise;
  }

  /** Who still waits is told at once: whatever the worker may yet say comes too late. */
  close(): void {
    const worker = this.#worker;
    if (worker === null) return;
    this.#onGone(worker, hasEnded());
    void worker.terminate();
  }

  #start(): Worker {
    // Built it is JavaScript, unbuilt it is not; both stand beside this file.
    const file = `./bcrypt-worker${extname(import.meta.filename)}`;
    const worker = new Worker(new URL(file, import.meta.url));
    worker.unref();
    worker.on('message', ({ id, isRight }: BcryptAnswer) => {
      this.#askers.get(id)?.resolve(isRight);
      this.#askers.delete(id);
    });
    worker.on('error', (error) => this.#onGone(worker, error));
    worker.on('exit', () => this.#onGone(worker, hasEnded()));
    return worker;
  }

  #onGone(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    for (const asker of this.#askers.values()) asker.reject(error);
    this.#askers.clear();
  }
}

function hasEnded(): Error {
  return new Error('the worker for bcrypt has ended');
}
