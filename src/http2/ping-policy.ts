/**
 * Limits the PINGs of a client exactly as grpc-go's server does with etcd's settings: a ping that comes too early is a strike,
 * HEADERS or DATA sent since the last ping clear all strikes, and the third strike closes the connection.
 * https://github.com/grpc/grpc-go/blob/master/internal/transport/http2_server.go (handlePing)
 */

/** Without an open stream: two hours, as TCP keepalive. */
const idleIntervalMs = 7_200_000;
const strikesMax = 2;

export class PingPolicy {
  readonly #busyIntervalMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #strikes = 0;
  #sentFrames = 0;

  /** `busyIntervalMs`: etcd's `--grpc-keepalive-min-time`. */
  constructor(busyIntervalMs = 5_000) {
    this.#busyIntervalMs = busyIntervalMs;
  }

  /** Counts a ping; false if the connection must be closed. `sentFrames` counts HEADERS and DATA sent so far. */
  allows(nowMs: number, hasStreams: boolean, sentFrames: number): boolean {
    const sinceMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (sentFrames !== this.#sentFrames) {
      this.#sentFrames = sentFrames;
      this.#strikes = 0;
      return true;
    }
    if (sinceMs < (hasStreams ? this.#busyIntervalMs : idleIntervalMs)) this.#strikes++;
    return this.#strikes <= strikesMax;
  }
}
