/** A client that applies backpressure receives no events, except for the rest of a response that is sent in fragments. */
import type { Invariant } from './invariant.ts';

export const backpressure: Invariant = {
  name: 'backpressure',
  check: ({ streams }, report) => {
    for (const { name, responses } of streams) {
      for (const [i, { events, wasPaused, watchId }] of responses.entries()) {
        if (!wasPaused || events.length === 0 || responses[i - 1]?.isFragment) continue;
        report(`${name}: events for watch ID ${watchId} while the client applied backpressure`);
      }
    }
  },
};
