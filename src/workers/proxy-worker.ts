/**
 * The entry point of a worker process: runs one proxy as the primary process directs. It binds the same addresses as the
 * other workers, through node:cluster, and has no admin address.
 *
 * Signals are handled by the primary process alone. Terminals and service managers send them to every process of a group,
 * so a worker ignores them. A worker exits when the channel to its primary process closes, as node:cluster does by default.
 */
import { exitOnFault } from '../observe/exit-on-fault.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { noOpenCalls } from '../observe/open-calls.ts';
import type { PreparedConfiguration } from '../proxy/configuration-applier.ts';
import { type SupervisedProxy, startProxy } from '../proxy/proxy.ts';
import type { Prepared, ToPrimary, ToWorker } from './messages.ts';

const faultExitCode = 1;

exitOnFault(faultExitCode, { pid: process.pid });
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

type StartMessage = Extract<ToWorker, { kind: 'start' }>;
type CollectMessage = Extract<ToWorker, { kind: 'collect' }>;

class ProxyWorker {
  #proxy: SupervisedProxy | null = null;
  #logger: Logger | null = null;
  #prepared: PreparedConfiguration | null = null;
  /** Messages that change the state are handled one after the other. */
  #last: Promise<void> = Promise.resolve();

  receive(message: ToWorker): void {
    if (message.kind === 'ping') {
      send({ kind: 'pong', hash: this.#proxy?.configuration.hash ?? '' });
    } else if (message.kind === 'collect') {
      void this.#collect(message);
    } else if (message.kind === 'act') {
      // Without a response the primary process continues without this worker.
      const value = this.#proxy?.perform(message.action);
      if (value !== undefined) send({ kind: 'response', id: message.id, value });
    } else {
      this.#last = this.#last.then(() => this.#handle(message));
    }
  }

  async #handle(
    message: Exclude<ToWorker, CollectMessage | { kind: 'ping' | 'act' }>,
  ): Promise<void> {
    switch (message.kind) {
      case 'start':
        return this.#start(message);
      case 'prepare':
        return send({ kind: 'response', id: message.id, value: await this.#prepare(message) });
      case 'commit':
        this.#prepared?.commit();
        this.#prepared = null;
        return;
      case 'discard':
        return this.#discard();
      case 'endpoints':
        this.#proxy?.replaceEndpoints(message.found);
        return;
      case 'drain':
        return this.#drain();
    }
  }

  async #start({ worker, config, tokenKey }: StartMessage): Promise<void> {
    const logger = createLogger(config.logLevel, { fields: { worker }, isShared: true });
    process.once('exit', () => logger.flush());
    this.#logger = logger;
    try {
      this.#proxy = await startProxy({ ...config, adminAddress: null }, { logger, tokenKey });
    } catch (error) {
      send({ kind: 'failed', error: (error as Error).message }, () => process.exit(faultExitCode));
      return;
    }
    send({ kind: 'serving', addresses: this.#proxy.addressesByListener });
  }

  async #prepare({ config }: Extract<ToWorker, { kind: 'prepare' }>): Promise<Prepared> {
    const proxy = this.#proxy;
    if (proxy === null) return { problems: ['the worker has not started'], addresses: new Map() };
    await this.#discard();
    const prepared = await proxy.prepare({ ...config, adminAddress: null });
    if ('commit' in prepared) this.#prepared = prepared;
    return {
      problems: 'commit' in prepared ? [] : prepared,
      addresses: proxy.addressesByListener,
    };
  }

  async #discard(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = null;
    await prepared?.discard();
  }

  async #drain(): Promise<void> {
    const report = (await this.#proxy?.drain()) ?? { abortedCalls: 0, open: noOpenCalls };
    this.#logger?.flush();
    send({ kind: 'drained', report }, () => process.exit(0));
  }

  async #collect({ id, what }: CollectMessage): Promise<void> {
    const proxy = this.#proxy;
    // Without a response the primary process continues without this worker.
    if (proxy === null) return;
    const isCall = what === 'metrics' || what === 'health' || what === 'memberEndpoints';
    const value = isCall ? await proxy[what]() : proxy[what];
    send({ kind: 'response', id, value });
  }
}

function send(message: ToPrimary, sent: () => void = () => {}): void {
  // The channel is closed if the primary process has ended. This process exits then, too.
  process.send?.(message, undefined, undefined, sent);
}

const worker = new ProxyWorker();
process.on('message', (message: ToWorker) => worker.receive(message));
