/** The settings of the shutdown: how long the process drains after SIGTERM, and over which time it ends streams. */
import type { Setting } from '../setting.ts';

export const shutdownSettings = {
  'min-drain': {
    kind: 'duration',
    default: '0s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Time to keep accepting new calls after SIGTERM.',
  },
  'drain-window': {
    kind: 'duration',
    default: '5s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Maximum time over which open streams are ended, at most 200 ms apart, so that clients do not all reconnect at once.',
  },
  'max-drain': {
    kind: 'duration',
    default: '25s',
    section: 'shutdown',
    reload: 'applied',
    doc: 'Maximum time to drain after SIGTERM. Calls that are still open then are aborted.',
  },
} as const satisfies Record<string, Setting>;
