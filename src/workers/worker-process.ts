/** One worker process, as the primary process sees it: from the fork until it has ended. */
import type { Worker as ClusterWorker } from 'node:cluster';
import type { Action, ActionResult } from '../admin/actions.ts';
import type { Config } from '../config/config.ts';
import type { DrainReport } from '../proxy/proxy.ts';
import type { Clock } from '../runtime/clock.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Collected, Prepared, ToPrimary, ToWorker } from './messages.ts';

export interface Exit {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export class WorkerProcess {
  /** Resolves with the bound addresses. Rejects if the worker fails or ends before it serves. */
  readonly serving: Promise<ReadonlyMap<string, string>>;
  readonly ended: Promise<Exit>;
  /** What the worker has aborted when it drained. Null before, and if it was killed. */
  drained: DrainReport | null = null;
  /** Hash of the active configuration. Empty before the first response. */
  hash = '';
  isServing = false;
  hasEnded = false;
  readonly startedMs: number;
  readonly #process: ClusterWorker;
  readonly #clock: Clock;
  readonly #heartbeat = new Heartbeat();
  readonly #served = Promise.withResolvers<ReadonlyMap<string, string>>();
  readonly #end = Promise.withResolvers<Exit>();
  readonly #pending = new Map<number, (value: unknown) => void>();
  #lastId = 0;

  /** `forked` was started just now. It has not received a message yet. */
  constructor(forked: ClusterWorker, clock: Clock, start: Extract<ToWorker, { kind: 'start' }>) {
    this.#process = forked;
    this.#clock = clock;
    this.startedMs = clock.nowMs();
    this.serving = this.#served.promise;
    this.ended = this.#end.promise;
    // Without this, a worker that ends before it serves would be an unhandled rejection.
    this.serving.catch(() => {});
    forked.on('error', () => {
      // The process could not be started, so it has no `exit`. Other errors concern the channel; `exit` follows them.
      if (forked.process.pid === undefined) this.#onEnd({ code: null, signal: null });
    });
    forked.on('message', (message: ToPrimary) => this.#receive(message));
    forked.once('exit', (code: number | null, signal: string | null) => {
      this.#onEnd({ code, signal });
    });
    this.#send(start);
  }

  /** Null after the end. */
  get pid(): number | null {
    return this.hasEnded ? null : this.startedPid;
  }

  /** Also after the end. Null if the process could not be started. */
  get startedPid(): number | null {
    return this.#process.process.pid ?? null;
  }

  get isHung(): boolean {
    return this.#heartbeat.isHung;
  }

  /** Sends a ping, and kills the worker if it has not responded to too many. Called in regular intervals. */
  tick(): void {
    if (this.#heartbeat.mustBeKilled) {
      this.kill();
      return;
    }
    this.#heartbeat.pinged();
    this.#send({ kind: 'ping' });
  }

  /** Resolves with null if the worker has ended, or has not responded within `timeoutMs`. */
  prepare(config: Config, timeoutMs: number): Promise<Prepared | null> {
    return this.#request<Prepared>((id) => ({ kind: 'prepare', id, config }), timeoutMs);
  }

  commit(): void {
    this.#send({ kind: 'commit' });
  }

  discard(): void {
    this.#send({ kind: 'discard' });
  }

  replaceEndpoints(found: readonly string[] | null): void {
    this.#send({ kind: 'endpoints', found });
  }

  /** Resolves with null if the worker has ended, or has not responded within `timeoutMs`. */
  collect<K extends keyof Collected>(what: K, timeoutMs: number): Promise<Collected[K] | null> {
    return this.#request<Collected[K]>((id) => ({ kind: 'collect', id, what }), timeoutMs);
  }

  /** Resolves with null if the worker has ended, or has not responded within `timeoutMs`. */
  perform(action: Action, timeoutMs: number): Promise<ActionResult | null> {
    return this.#request<ActionResult>((id) => ({ kind: 'act', id, action }), timeoutMs);
  }

  /** Resolves when the worker has ended. It is killed after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const cancelTimer = this.#clock.after(timeoutMs, () => this.kill());
    this.#send({ kind: 'drain' });
    await this.ended;
    cancelTimer();
  }

  kill(): void {
    if (!this.hasEnded) this.#process.process.kill('SIGKILL');
  }

  #request<T>(message: (id: number) => ToWorker, timeoutMs: number): Promise<T | null> {
    if (this.hasEnded) return Promise.resolve(null);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.after(timeoutMs, () => {
        this.#pending.delete(id);
        resolve(null);
      });
      this.#pending.set(id, (value) => {
        cancelTimer();
        resolve(value as T | null);
      });
      this.#send(message(id));
    });
  }

  #send(message: ToWorker): void {
    // A failure means that the worker has ended or is about to.
    if (this.#process.isConnected()) this.#process.send(message, undefined, undefined, () => {});
  }

  #onEnd(exit: Exit): void {
    this.hasEnded = true;
    this.isServing = false;
    for (const resolve of this.#pending.values()) resolve(null);
    this.#pending.clear();
    this.#served.reject(
      new Error(`a worker ended with ${exit.signal ?? exit.code} before it served`),
    );
    this.#end.resolve(exit);
  }

  #receive(message: ToPrimary): void {
    switch (message.kind) {
      case 'serving':
        this.isServing = true;
        this.#served.resolve(message.addresses);
        break;
      case 'failed':
        this.#served.reject(new Error(message.error));
        break;
      case 'response':
        this.#pending.get(message.id)?.(message.value);
        this.#pending.delete(message.id);
        break;
      case 'pong':
        this.hash = message.hash;
        this.#heartbeat.responded();
        break;
      case 'drained':
        this.drained = message.report;
        break;
    }
  }
}
