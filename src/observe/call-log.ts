/**
 * Writes log lines about calls. At `debug`: every call when it ends, and streams also when they open. At `info`: calls that
 * the proxy rejects, at a limited rate per tenant and reason. At higher levels all hooks are null and calls pay nothing.
 */
import type { Clock } from '../runtime/clock.ts';
import { codeName } from './call-counters.ts';
import { type CallEvents, type CallRecord, noCallEvents } from './events.ts';
import type { Fields, Logger } from './logger.ts';
import { Throttle } from './throttle.ts';

const rejectionIntervalMs = 10_000;

export function callLog(logger: Logger, clock: Clock): CallEvents {
  if (!logger.writes('info')) return noCallEvents;
  const isVerbose = logger.writes('debug');
  const rejections = new Throttle(clock, rejectionIntervalMs);
  return {
    opened: isVerbose ? (record) => logger.debug('stream opened', callFields(record)) : null,
    ended: isVerbose ? (record) => logEnd(logger, record) : null,
    rejected: (record, reason, hint) => {
      const suppressed = rejections.pass(`${record.call.tenant?.name} ${reason}`);
      if (suppressed < 0) return;
      logger.info('call rejected', {
        ...callFields(record),
        reason,
        ...(hint !== undefined && { hint }),
        ...(suppressed > 0 && { suppressed }),
      });
    },
  };
}

function logEnd(logger: Logger, record: CallRecord): void {
  const { method } = record.call;
  const isStream = method.requestStream || method.responseStream;
  logger.debug(isStream ? 'stream closed' : 'call', {
    ...callFields(record),
    code: codeName(record.code),
    ms: Math.round(record.durationMs * 1000) / 1000,
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    ...(isStream && {
      requestMessages: record.requestMessages,
      responseMessages: record.responseMessages,
    }),
    ...(record.text !== '' && { text: record.text }),
    ...(record.isCancelled && { cancelled: true }),
    ...(record.key !== '' && { key: record.key }),
  });
}

function callFields({ call }: CallRecord): Fields {
  return {
    method: call.method.name,
    tenant: call.tenant?.name,
    listener: call.peer.listener,
    ...(call.peer.remote !== '' && { remote: call.peer.remote }),
  };
}
