/**
 * Flushes outputs at the end of the current turn of the event loop. The immediate runs right after the poll phase, when every
 * readable socket has been read. A connection that a hundred others write to during a turn therefore gets one write. If
 * nothing was written, no immediate is scheduled.
 */

/** Flushed once at the end of the turn in which it was registered. */
export interface Flushable {
  flush(): void;
}

let registered: Flushable[] = [];
let flushing: Flushable[] = [];

/** Schedules a flush at the end of this turn. The caller registers at most once per turn. */
export function atEndOfTurn(flushable: Flushable): void {
  if (registered.push(flushable) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const batch = registered;
  registered = flushing;
  flushing = batch;
  for (const flushable of batch) flushable.flush();
  batch.length = 0;
}
