/** The limit of client connections of this process: as configured, or as many as its descriptors and its memory permit. */
import type { Config } from '../config/config.ts';
import { ClientConnections, type LimitReached } from '../grpc/connections/client-connections.ts';
import type { Logger } from '../observe/logger.ts';
import { Throttle } from '../observe/throttle.ts';
import type { Clock } from '../runtime/clock.ts';
import { descriptorShares } from '../runtime/descriptor-limit.ts';
import { memoryLimit } from '../runtime/memory-limit.ts';

/** Without a configured limit, connections get this part of the container's memory, and there are at most that many. */
const memoryPart = 1 / 4;
const defaultMax = 32_768;
/** Of one connection, rounded up. ADR 17 has the measurements. */
const plainBytes = 16 << 10;
const tlsBytes = 64 << 10;
const logIntervalMs = 10_000;

export function clientConnections(
  config: Pick<Config, 'limits' | 'listeners' | 'workers'>,
  logger: Logger,
  clock: Clock,
  permitted = descriptorShares().clients,
  memoryBytes = memoryLimit(),
): ClientConnections {
  const configured = config.limits.connectionsMax;
  if (configured > permitted) {
    logger.warn('too few file descriptors', { 'max-connections': configured, permitted });
  }
  const throttle = new Throttle(clock, logIntervalMs);
  return new ClientConnections({
    connectionsMax: Math.min(configured || defaultFor(config, memoryBytes), permitted),
    clock,
    onLimit: (reached) => logLimit(logger, throttle, reached),
  });
}

function defaultFor(
  { listeners, workers }: Pick<Config, 'listeners' | 'workers'>,
  memoryBytes: number,
): number {
  const bytes = listeners.some(({ tls }) => tls !== null) ? tlsBytes : plainBytes;
  return Math.min(defaultMax, Math.ceil((memoryBytes * memoryPart) / workers / bytes));
}

function logLimit(logger: Logger, throttle: Throttle, reached: LimitReached): void {
  const { reason, listener, remote, tenant } = reached;
  const suppressed = throttle.pass(`${reason} ${tenant}`);
  if (suppressed < 0) return;
  // Port scanners and probes that only connect are not a problem of the proxy.
  const level = reason === 'handshake-timeout' ? 'info' : 'warn';
  logger[level]('connection limit', {
    ...{ reason, listener },
    ...(remote !== '' && { remote }),
    ...(tenant !== '' && { tenant }),
    ...(suppressed > 0 && { suppressed }),
  });
}
