/**
 * Graceful shutdown of a server's connection in two steps (RFC 9113, section 6.8). The first GOAWAY rejects nothing, because
 * requests may be in flight; it is followed by a PING. When the PING is acknowledged, the client has read the GOAWAY, and
 * a second one names the last stream that is accepted. The connection closes with its last stream.
 *
 *   no ─begin─▶ announced ─PING acknowledged, or timeout─▶ final ─no open stream─▶ connection closed
 */
import type { CancelTimer } from '../runtime/clock.ts';
import type { Connection } from './connection.ts';
import { ErrorCode, maxInt31 } from './frame.ts';
import { limits } from './limits.ts';

const Phase = { NO: 0, ANNOUNCED: 1, FINAL: 2 } as const;

export class Drain {
  /** Streams with a higher ID are ignored. */
  lastAcceptedId: number = maxInt31;
  readonly #connection: Connection;
  #phase: number = Phase.NO;
  #cancelTimer: CancelTimer | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  begin(): void {
    const { isOpen, writer, clock } = this.#connection;
    if (!isOpen || this.#phase !== Phase.NO) return;
    this.#phase = Phase.ANNOUNCED;
    writer.goAway(maxInt31, ErrorCode.NO_ERROR, '');
    writer.ping();
    this.#cancelTimer = clock.after(limits.drainPingMs, () => this.onPingAck());
  }

  onPingAck(): void {
    const { isOpen, writer, streams } = this.#connection;
    if (!isOpen || this.#phase !== Phase.ANNOUNCED) return;
    this.#phase = Phase.FINAL;
    this.#cancelTimer?.();
    this.lastAcceptedId = streams.highestId;
    writer.goAway(this.lastAcceptedId, ErrorCode.NO_ERROR, '');
    this.closeIfDone();
  }

  closeIfDone(): void {
    if (this.#phase === Phase.FINAL && this.#connection.openStreams === 0) {
      this.#connection.close('drained');
    }
  }

  /** The connection ended. */
  stop(): void {
    this.#cancelTimer?.();
  }
}
