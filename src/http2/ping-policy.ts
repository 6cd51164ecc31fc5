/**
 * Who pings too often is sent away, exactly as grpc-go's server does it, with etcd's settings: a ping that comes earlier
 * than allowed is a strike, sending HEADERS or DATA forgives all strikes, the third one ends the connection.
 * https://github.com/grpc/grpc-go/blob/master/internal/transport/http2_server.go (handlePing)
 */

/** etcd's `--grpc-keepalive-min-time`. */
const busyIntervalMs = 5_000;
/** Without a stream nobody needs pings: two hours, as in TCP. */
const idleIntervalMs = 7_200_000;
const strikesMax = 2;

export class PingPolicy {
  #lastMs = Number.NEGATIVE_INFINITY;
  #strikes = 0;
  #isForgiven = false;

  /** HEADERS or DATA were sent. */
  forgive(): void {
    this.#isForgiven = true;
  }

  /** Counts a ping; false when it was one too many. */
  allows(nowMs: number, hasStreams: boolean): boolean {
    const sinceMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (this.#isForgiven) {
      this.#isForgiven = false;
      this.#strikes = 0;
      return true;
    }
    if (sinceMs < (hasStreams ? busyIntervalMs : idleIntervalMs)) this.#strikes++;
    return this.#strikes <= strikesMax;
  }
}
