/** A turn of the event loop that is never over: bytes are processed when they arrive, however long a test takes. */
import { ReadTurns } from '../../src/http2/read-turns.ts';

export function endlessTurn(): ReadTurns {
  return new ReadTurns({
    turnMsMax: 1,
    lateBytesMax: Number.POSITIVE_INFINITY,
    nowMs: () => 0,
    afterTurn: () => {},
  });
}
