/**
 * What is written to sockets during one turn of the event loop leaves at its end. The immediate runs right after the
 * poll phase, when every socket that had something to say has been read, so that a connection which a hundred others
 * feed still gets one write; and with nothing written there is no immediate.
 */

/** Flushed once at the end of the turn in which it was registered. */
export interface Flushable {
  flush(): void;
}

let registered: Flushable[] = [];
let flushing: Flushable[] = [];

/** `flushable` is flushed at the end of this turn. It registers itself at most once before that. */
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
