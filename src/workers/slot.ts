/** One of the N workers: the process that currently serves for it, and its replacement when that has ended. */
import type { WorkerReport, WorkerState } from '../admin/reports.ts';
import type { Logger } from '../observe/logger.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { RestartBackoff } from './restart-backoff.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface SlotDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly fork: (worker: number) => WorkerProcess;
  /** Resolves when no reload is in progress. */
  readonly reloaded: () => Promise<unknown>;
  /** The process has ended. Called before the replacement is scheduled. */
  readonly onEnd: (worker: number) => void;
  readonly onRestart: (worker: number) => void;
  readonly onServing: (addresses: ReadonlyMap<string, string>) => void;
}

export class Slot {
  /** Counted from 1. */
  readonly worker: number;
  process: WorkerProcess | null = null;
  readonly #dependencies: SlotDependencies;
  readonly #backoff: RestartBackoff;
  #restarts = 0;
  #cancelRestart: CancelTimer = () => {};
  #isStopped = false;

  constructor(worker: number, dependencies: SlotDependencies) {
    this.worker = worker;
    this.#dependencies = dependencies;
    this.#backoff = new RestartBackoff(dependencies.random);
  }

  get report(): WorkerReport {
    const { worker, process } = this;
    const pid = process?.pid ?? null;
    return { worker, pid, state: this.#state, restarts: this.#restarts, hash: process?.hash ?? '' };
  }

  /** Resolves when the first process serves. Rejects if it does not. */
  async start(): Promise<void> {
    const process = this.#fork();
    await process.serving;
    void process.ended.then(() => this.#scheduleRestart(process));
  }

  /** No process is started from now on. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRestart();
  }

  get #state(): WorkerState {
    if (this.process === null || this.process.hasEnded) return 'ended';
    if (this.process.isHung) return 'hung';
    return this.process.isServing ? 'serving' : 'starting';
  }

  #fork(): WorkerProcess {
    const { fork, logger, onEnd, onServing } = this.#dependencies;
    const { worker } = this;
    const process = fork(worker);
    this.process = process;
    void process.ended.then(({ code, signal }) => {
      const fields = { worker, pid: process.startedPid, code, signal };
      if (this.#isStopped && code === 0) logger.info('worker ended', fields);
      else logger.warn('worker ended', fields);
      onEnd(worker);
    });
    void process.serving.then(
      (addresses) => {
        logger.info('worker serving', { worker, pid: process.pid });
        onServing(addresses);
      },
      (error: Error) => logger.error('worker failed', { worker, error: error.message }),
    );
    return process;
  }

  #scheduleRestart(ended: WorkerProcess): void {
    if (this.#isStopped) return;
    const { clock, logger } = this.#dependencies;
    const delayMs = this.#backoff.delayMs(clock.nowMs() - ended.startedMs);
    logger.info('worker restarts', { worker: this.worker, delayMs });
    this.#cancelRestart = clock.after(delayMs, () => void this.#restart());
  }

  async #restart(): Promise<void> {
    const { reloaded, onRestart } = this.#dependencies;
    await reloaded();
    if (this.#isStopped) return;
    this.#restarts += 1;
    onRestart(this.worker);
    const process = this.#fork();
    await process.ended;
    this.#scheduleRestart(process);
  }
}
