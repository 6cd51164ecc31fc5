/**
 * The life of a serving process, the same for every command that serves: start, say so, wait for a signal or for what the
 * command itself waits for, drain, and the exit code. What is built is proxy.ts's affair.
 */
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { createLogger } from '../observe/logger.ts';
import { version } from '../observe/version.ts';
import { startProxy } from '../proxy/proxy.ts';
import { Reloader } from '../proxy/reload.ts';
import { systemClock } from '../runtime/clock.ts';
import { ExitCode } from './command.ts';
import { StopSignals } from './stop-signals.ts';

export type RunningProxy = Awaited<ReturnType<typeof startProxy>>;

export interface ServeOptions {
  /** Called once, when every listener is bound. */
  readonly serving?: (proxy: RunningProxy) => void;
  /** Resolves, with why in words, when something that the command needs has failed. */
  readonly fault?: Promise<string>;
  /** How the configuration is read again, and the files it was read from. Without it, it stays what it is. */
  readonly reload?: { readonly load: () => Promise<LoadResult>; readonly files: readonly string[] };
  /** Where the command listens to signals already. */
  readonly signals?: StopSignals;
}

export async function serve(config: Config, occasion: ServeOptions = {}): Promise<number> {
  const { signals = new StopSignals(systemClock) } = occasion;
  const logger = createLogger(config.logLevel);
  process.once('exit', () => logger.flush());
  logger.info('starting', { version, node: process.version, pid: process.pid });
  let proxy: RunningProxy;
  try {
    proxy = await startProxy(config, { logger });
  } catch (error) {
    logger.fatal('cannot start', { error: (error as Error).message });
    return ExitCode.FAULT;
  }
  logger.info('serving', { addresses: proxy.addresses, admin: proxy.adminAddress });
  const { reload } = occasion;
  const reloader =
    reload &&
    new Reloader({
      ...reload,
      apply: (loaded) => proxy.reload(loaded),
      clock: systemClock,
      logger,
    });
  if (reloader) process.on('SIGHUP', () => void reloader.reload('SIGHUP'));
  occasion.serving?.(proxy);

  const never = new Promise<never>(() => {});
  const reason = await Promise.race([
    signals.first.then((signal) => ({ signal })),
    (occasion.fault ?? never).then((why) => ({ why })),
  ]);
  const isFault = 'why' in reason;
  if (isFault) logger.error('draining', reason);
  else logger.info('draining', reason);
  reloader?.close();
  const callsCutOff = await proxy.drain();
  logger.info('stopped', { callsCutOff });
  return isFault ? ExitCode.FAULT : ExitCode.OK;
}
