/**
 * Runs the proxy until the process stops, for every command that serves: starts it, waits for a signal, a request or a failure,
 * drains it and returns the exit code. proxy/ builds the proxy itself.
 */
import type { Config } from '../config/config.ts';
import type { FileDigests } from '../config/file-contents.ts';
import type { LoadResult } from '../config/load.ts';
import type { EndpointSource } from '../discovery/endpoint-source.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { version } from '../observe/version.ts';
import type { RunningProxy } from '../proxy/proxy.ts';
import { Reloader } from '../proxy/reload.ts';
import { systemClock } from '../runtime/clock.ts';
import { ExitCode } from './command.ts';
import { StopSignals } from './stop-signals.ts';
import type { Systemd } from './systemd.ts';

export interface ServeOptions {
  /** Called once, after every listener is bound. */
  readonly serving?: (proxy: RunningProxy) => void;
  /** Resolves with a reason when something that the command depends on has failed. */
  readonly fault?: Promise<string>;
  /** Loads the configuration again, and the files to watch. Without it, reloads are disabled. */
  readonly reload?: {
    readonly load: () => Promise<LoadResult>;
    readonly files: FileDigests;
    readonly source: EndpointSource;
  };
  /** Set if the command already handles signals. */
  readonly signals?: StopSignals;
}

export async function serve(config: Config, options: ServeOptions = {}): Promise<number> {
  const { signals = new StopSignals(systemClock) } = options;
  const logger = createLogger(config.logLevel, { isShared: config.workers > 1 });
  process.once('exit', () => logger.flush());
  logger.info('starting', { version, node: process.version, pid: process.pid });
  const shutdown = Promise.withResolvers<string>();
  let proxy: RunningProxy;
  try {
    proxy = await start(config, { logger, onShutdownRequest: shutdown.resolve });
  } catch (error) {
    logger.fatal('cannot start', { error: (error as Error).message });
    return ExitCode.FAULT;
  }
  logger.info('serving', { addresses: proxy.addresses, admin: proxy.adminAddress });
  const systemd = await serviceManager(logger);
  let drainMaxMs = config.drain.maxMs;
  const { reload } = options;
  const reloader =
    reload &&
    new Reloader({
      files: reload.files,
      load: () => {
        systemd?.reloading();
        return reload.load();
      },
      apply: async (loaded) => {
        if (await proxy.reload(loaded)) reload.source.adopt();
        drainMaxMs = Math.max(drainMaxMs, loaded.config?.drain.maxMs ?? 0);
        systemd?.ready(proxy.addresses.length);
      },
      clock: systemClock,
      logger,
    });
  if (reloader) process.on('SIGHUP', () => void reloader.reload('SIGHUP'));
  if (reload && reloader) {
    const { source } = reload;
    // Without a reload, so that a file that is not valid now does not prevent a failover.
    const onChange = () => reloader.run(async () => proxy.replaceEndpoints(source.found));
    source.start({ user: proxy, logger, onChange });
  }
  options.serving?.(proxy);
  systemd?.ready(proxy.addresses.length);

  const never = new Promise<never>(() => {});
  const cause = await Promise.race([
    signals.first.then((signal) => ({ signal })),
    shutdown.promise.then((remote) => ({ request: '/quitquitquit', remote })),
    (options.fault ?? never).then((reason) => ({ reason })),
  ]);
  const isFault = 'reason' in cause;
  if (isFault) logger.error('draining', cause);
  else logger.info('draining', cause);
  reload?.source.close();
  reloader?.close();
  systemd?.stopping(drainMaxMs);
  const { abortedCalls: callsCutOff, open } = await proxy.drain();
  if (callsCutOff === 0) logger.info('stopped', { callsCutOff });
  else logger.warn('stopped', { callsCutOff, open });
  return isFault ? ExitCode.FAULT : ExitCode.OK;
}

interface StartDependencies {
  readonly logger: Logger;
  readonly onShutdownRequest: (remote: string) => void;
}

/** Null unless systemd has started this process as a unit of `Type=notify`. */
async function serviceManager(logger: Logger): Promise<Systemd | null> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return null;
  const { Systemd } = await import('./systemd.ts');
  return new Systemd({ environment: process.env, clock: systemClock, logger });
}

/** Imports only what this process needs: with workers, it serves no clients itself. */
async function start(config: Config, dependencies: StartDependencies): Promise<RunningProxy> {
  if (config.workers > 1) {
    const { startWorkers } = await import('../workers/supervisor.ts');
    return startWorkers(config, dependencies);
  }
  const { startProxy } = await import('../proxy/proxy.ts');
  return startProxy(config, dependencies);
}
