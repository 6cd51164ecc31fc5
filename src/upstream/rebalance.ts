/**
 * Moves watch streams of the proxy itself to other members. Shared watches resume on another member without a client noticing.
 * Streams of clients are never moved.
 *
 * A member that was restarted gets its share again: one stream moves at a time, and only if a member has far more streams than
 * another one. A member that does not respond to a probe loses all of them at once, before the keepalive of the connection expires.
 */
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import type { Endpoint } from './endpoint.ts';

const everyMs = 5_000;
/** No stream moves before the endpoints have been unchanged for this long: a member that returns may be restarted again. */
const settledMs = 15_000;
/** A stream moves if an endpoint has more than twice as many streams as another one, and at least so many more. */
const surplusMin = 4;

export interface MovableStream {
  readonly endpoint: Endpoint;
  /** Ends the stream as lost, so that its owner opens it again. Returns false if etcd has not responded on it yet. */
  move(): boolean;
}

export interface RebalancerParts {
  readonly clock: Clock;
  /** The endpoints that watch streams would use, also those that are not connected for watches yet. */
  readonly endpoints: () => readonly Endpoint[];
  /** Dials endpoints that have no connection for watches. */
  readonly dial: (endpoint: Endpoint) => void;
  /** False while the process drains. */
  readonly mayMove: () => boolean;
}

export class Rebalancer {
  readonly #parts: RebalancerParts;
  /** Oldest first. */
  readonly #streams = new Set<MovableStream>();
  #cancelTimer: CancelTimer | null = null;
  #changedAtMs = 0;

  constructor(parts: RebalancerParts) {
    this.#parts = parts;
  }

  add(stream: MovableStream): void {
    this.#streams.add(stream);
    this.#schedule();
  }

  remove(stream: MovableStream): void {
    this.#streams.delete(stream);
  }

  /** An endpoint has changed. */
  onChange(): void {
    this.#changedAtMs = this.#parts.clock.nowMs();
  }

  /** Moves all streams that can be moved. Other endpoints must be preferred already. */
  leave(endpoint: Endpoint): void {
    for (const stream of [...this.#streams]) if (stream.endpoint === endpoint) stream.move();
  }

  close(): void {
    this.#cancelTimer?.();
    this.#streams.clear();
  }

  /** The timer runs only while there are enough streams for a surplus. */
  #schedule(): void {
    if (this.#streams.size < surplusMin) return;
    this.#cancelTimer ??= this.#parts.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      this.#moveOne();
      this.#schedule();
    });
  }

  #moveOne(): void {
    const { clock, endpoints, dial, mayMove } = this.#parts;
    if (clock.nowMs() - this.#changedAtMs < settledMs || !mayMove()) return;
    const byStreams = [...endpoints()].sort((a, b) => openOf(a) - openOf(b));
    const [least] = byStreams;
    const most = byStreams.at(-1);
    if (least === undefined || most === undefined) return;
    const surplus = openOf(most) - openOf(least);
    if (surplus < surplusMin || openOf(most) <= 2 * openOf(least)) return;
    if (!least.isReady('watch')) {
      dial(least);
      return;
    }
    for (const stream of this.#streams) if (stream.endpoint === most && stream.move()) return;
  }
}

function openOf(endpoint: Endpoint): number {
  return endpoint.openStreams('watch');
}
