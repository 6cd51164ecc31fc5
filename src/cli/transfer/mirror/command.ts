/** Runs a mirror as a process: its log, its admin address, signals and exit codes. */
import { startAdmin } from '../../../admin/server.ts';
import { Lifecycle } from '../../../lifecycle/lifecycle.ts';
import { createLogger, type Logger } from '../../../observe/logger.ts';
import { mirrorExposition } from '../../../observe/mirror-metrics.ts';
import { noOpenCalls } from '../../../observe/open-calls.ts';
import { version } from '../../../observe/version.ts';
import { endpointReports } from '../../../proxy/endpoint-reports.ts';
import { upstreamHealth } from '../../../proxy/upstream-health.ts';
import { systemClock as clock } from '../../../runtime/clock.ts';
import { type Command, ExitCode, type Invocation } from '../../command.ts';
import { EtcdClient } from '../etcd-client.ts';
import { firstSignal } from '../interrupted.ts';
import { Mirror } from './mirror.ts';
import { type MirrorOptions, readMirrorOptions } from './options.ts';
import { MirrorStats } from './stats.ts';

const reportEveryMs = 60_000;
/** A mirror that is behind for longer logs warnings. */
const lagSecondsMax = 30;

export async function mirror(
  command: Pick<Command, 'name' | 'summary'>,
  invocation: Invocation,
): Promise<number> {
  const options = await readMirrorOptions(command, invocation);
  if (typeof options === 'number') return options;
  const logger = createLogger(options.source.logLevel);
  process.once('exit', () => logger.flush());
  const stats = new MirrorStats(clock);
  const clientOptions = (cluster: string) => ({
    outageMsMax: options.outageMsMax,
    onRetry: (failure: Error) => logger.debug('retry', { cluster, reason: failure.message }),
  });
  const source = await EtcdClient.connect(options.source, clientOptions('source'));
  const destination = await EtcdClient.connect(options.destination, clientOptions('destination'));
  const reporter = new Reporter(stats, logger);
  try {
    const admin = await serveAdmin(options, stats, [source, destination]);
    if (admin !== null) logger.info('serving', { addresses: [], admin: admin.address });
    const work = new Mirror(options, { source, destination, stats, logger }).run();
    const ended = await Promise.race([
      work.then(() => 'complete'),
      firstSignal().then((signal) => signal),
    ]);
    await admin?.close();
    // The position is stored with every change, so there is nothing to finish.
    logger.info('stopped', { reason: ended, ...reporter.figures });
    return ExitCode.OK;
  } catch (error) {
    logger.fatal('failed', { reason: (error as Error).message, ...reporter.figures });
    return ExitCode.FAULT;
  } finally {
    reporter[Symbol.dispose]();
    source[Symbol.dispose]();
    destination[Symbol.dispose]();
  }
}

/** Logs how far the mirror is, once per minute. */
class Reporter implements Disposable {
  readonly #stats: MirrorStats;
  readonly #logger: Logger;
  #cancelTimer = () => {};

  constructor(stats: MirrorStats, logger: Logger) {
    this.#stats = stats;
    this.#logger = logger;
    this.#later();
  }

  get figures() {
    const { phase, puts, deletes, positionRevision, sourceRevision, lagSeconds } = this.#stats;
    return {
      ...{ phase, puts, deletes, positionRevision, sourceRevision },
      lagSeconds: Math.round(lagSeconds * 1000) / 1000,
    };
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
  }

  #later(): void {
    this.#cancelTimer = clock.after(reportEveryMs, () => {
      const isLate = this.#stats.lagSeconds > lagSecondsMax;
      this.#logger[isLate ? 'warn' : 'info']('lag', this.figures);
      this.#later();
    });
  }
}

async function serveAdmin(
  { source }: MirrorOptions,
  stats: MirrorStats,
  [from, to]: readonly [EtcdClient, EtcdClient],
) {
  if (source.adminAddress === null) return null;
  const lifecycle = new Lifecycle();
  const since = new Date(clock.epochMs()).toISOString();
  const admin = await startAdmin({
    address: source.adminAddress,
    ...{ lifecycle, clock, version },
    configuration: () => ({
      ...{ hash: '', since, problems: [], needRestart: [] },
      ...{ certificates: [], settings: source.effective },
    }),
    upstream: () => [from, to].flatMap(({ upstream }) => endpointReports(upstream)),
    feeds: () => [],
    tenants: () => [],
    health: async () => {
      const ofSource = await upstreamHealth(from.upstream, clock);
      return ofSource.isHealthy ? upstreamHealth(to.upstream, clock) : ofSource;
    },
    openCalls: () => noOpenCalls,
    metrics: () => mirrorExposition(stats),
  });
  lifecycle.move('serving');
  return admin;
}
