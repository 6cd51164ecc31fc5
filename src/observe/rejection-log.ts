/** Logs the calls that the proxy rejects, at `info`, at a limited rate per tenant and reason. */
import type { Clock } from '../runtime/clock.ts';
import { callFields } from './call-fields.ts';
import { type CallEvents, noCallEvents } from './events.ts';
import type { Logger } from './logger.ts';
import { Throttle } from './throttle.ts';

const intervalMs = 10_000;

export function rejectionLog(logger: Logger, clock: Clock): CallEvents {
  if (!logger.writes('info')) return noCallEvents;
  const throttle = new Throttle(clock, intervalMs);
  return {
    ...noCallEvents,
    rejected: (record, reason, hint) => {
      const suppressed = throttle.pass(`${record.call.tenant?.name} ${reason}`);
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
