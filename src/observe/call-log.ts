/**
 * Calls → log lines. At `debug` every call leaves a line, and streams another one when they open; at `info` only our own
 * refusals do, and of each kind only one in a while. Above that, all hooks are null and calls pay nothing.
 */
import type { Clock } from '../runtime/clock.ts';
import { codeName } from './call-counters.ts';
import { type CallEvents, type CallRecord, noCallEvents } from './events.ts';
import type { Fields, Logger } from './logger.ts';
import { Throttle } from './throttle.ts';

const refusalIntervalMs = 10_000;

export function callLog(logger: Logger, clock: Clock): CallEvents {
  if (!logger.writes('info')) return noCallEvents;
  const isVerbose = logger.writes('debug');
  const refusals = new Throttle(clock, refusalIntervalMs);
  return {
    opened: isVerbose ? (record) => logger.debug('stream opened', whose(record)) : null,
    ended: isVerbose ? (record) => logEnd(logger, record) : null,
    refused: (record, reason, hint) => {
      const heldBack = refusals.pass(`${record.call.tenant?.name} ${reason}`);
      if (heldBack < 0) return;
      logger.info('call refused', {
        ...whose(record),
        reason,
        ...(hint !== undefined && { hint }),
        ...(heldBack > 0 && { heldBack }),
      });
    },
  };
}

function logEnd(logger: Logger, record: CallRecord): void {
  const { method } = record.call;
  const isStream = method.requestStream || method.responseStream;
  logger.debug(isStream ? 'stream closed' : 'call', {
    ...whose(record),
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

function whose({ call }: CallRecord): Fields {
  return {
    method: call.method.name,
    tenant: call.tenant?.name,
    listener: call.peer.listener,
    ...(call.peer.remote !== '' && { remote: call.peer.remote }),
  };
}
