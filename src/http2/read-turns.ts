/**
 * Bounds the time for which client connections occupy one turn of the event loop. Node reads every readable socket before it
 * continues, so 100 clients with 200 requests each can occupy a turn for seconds, and responses of etcd, keepalives, timers and
 * probes wait. Here a connection whose bytes arrive after the time of the turn is spent is paused, and its bytes are processed
 * in one of the next turns, in order of arrival. Under a usual load no connection ever waits.
 */
import { systemClock } from '../runtime/clock.ts';

export interface TurnTaker {
  /** Processes bytes, and continues to read. */
  onTurn(chunk: Buffer): void;
}

interface Late {
  readonly connection: TurnTaker;
  readonly chunk: Buffer;
}

export interface ReadTurnsOptions {
  /** How long connections are processed in one turn of the event loop. A connection that has begun is not interrupted. */
  readonly turnMsMax: number;
  /** Bytes that may wait. Beyond it, bytes are processed at once. */
  readonly lateBytesMax: number;
  readonly nowMs: () => number;
  /** Calls `action` when the sockets of the current turn have been read. */
  readonly afterTurn: (action: () => void) => void;
}

export class ReadTurns {
  readonly #options: ReadTurnsOptions;
  /** When the time of the current turn is spent. Null between turns. */
  #spentMs: number | null = null;
  #late: Late[] = [];
  #lateBytes = 0;
  readonly #onTurnOver = (): void => this.#continue();

  constructor(options: ReadTurnsOptions) {
    this.#options = options;
  }

  /**
   * Whether bytes that have just arrived may be processed now. If not, the caller pauses its socket, and `onTurn` is called
   * with the bytes in a later turn.
   */
  admit(connection: TurnTaker, chunk: Buffer): boolean {
    const { nowMs, turnMsMax, lateBytesMax, afterTurn } = this.#options;
    if (this.#spentMs === null) {
      this.#spentMs = nowMs() + turnMsMax;
      afterTurn(this.#onTurnOver);
      return true;
    }
    if (this.#late.length === 0 && nowMs() < this.#spentMs) return true;
    if (this.#lateBytes + chunk.length > lateBytesMax) return true;
    this.#late.push({ connection, chunk });
    this.#lateBytes += chunk.length;
    return false;
  }

  /** The late ones get the time of a turn first. Sockets are read again before the rest of them. */
  #continue(): void {
    this.#spentMs = null;
    if (this.#late.length === 0) return;
    const { nowMs, turnMsMax, afterTurn } = this.#options;
    const spentMs = nowMs() + turnMsMax;
    let taken = 0;
    for (const { connection, chunk } of this.#late) {
      if (taken > 0 && nowMs() >= spentMs) break;
      taken += 1;
      this.#lateBytes -= chunk.length;
      connection.onTurn(chunk);
    }
    this.#late = this.#late.slice(taken);
    if (this.#late.length === 0) return;
    // Bytes that arrive meanwhile are later than those that wait.
    this.#spentMs = spentMs;
    afterTurn(this.#onTurnOver);
  }
}

/** Of all connections of the process. */
export const readTurns = new ReadTurns({
  turnMsMax: 10,
  lateBytesMax: 16 << 20,
  nowMs: systemClock.nowMs,
  afterTurn: (action) => setImmediate(action),
});
