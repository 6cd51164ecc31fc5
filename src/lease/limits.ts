/** The bounds of shared keepalives. */
export interface KeepAliveLimits {
  /** Upstream streams of the process, as long as etcd responds quickly. Each kind of client gets at least one. */
  readonly streamsMax: number;
  /** Upstream streams per kind of client while etcd is slow. etcd renews one lease at a time per stream. */
  readonly slowStreamsMax: number;
  /** Renewals sent ahead on one stream. Until the first response of a stream it is one. */
  readonly renewalsPerStreamMax: number;
  /** A stream with a renewal that has been in flight this long takes no more renewals, and shows that etcd is slow. */
  readonly slowMs: number;
  /** A stream without a response for this long is given up. It doubles with each stream that is given up. */
  readonly stallMsMin: number;
  readonly stallMsMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** After a stream was lost, no stream is opened beside a working one, or without a renewal, for this long. */
  readonly sparePauseMs: number;
  /** A stream that is this old is replaced, so that a member that was restarted gets its share of streams again. */
  readonly streamAgeMsMax: number;
  /** A stream that is not needed is kept for this long. */
  readonly lingerMs: number;
  /** Requests of one client stream without a delivered response; at this number the client is paused. */
  readonly requestsPerClientMax: number;
  /** A request is kept until its lease is renewed, with unknown fields. A larger one ends its client stream. */
  readonly requestBytesMax: number;
  /** A response waits up to this long for those to the other requests of its client, so that all leave in one write. */
  readonly gatherMs: number;
  /** How often stalled streams and late renewals are looked for. */
  readonly tickMs: number;
}

/** The largest `stallMs` is longer than etcd itself tries to renew a lease (7 s), so a slow etcd is waited for in the end. */
export const keepAliveLimits: KeepAliveLimits = {
  streamsMax: 3,
  slowStreamsMax: 64,
  renewalsPerStreamMax: 128,
  slowMs: 500,
  stallMsMin: 2_000,
  stallMsMax: 8_000,
  backoffMsMin: 50,
  backoffMsMax: 2_000,
  sparePauseMs: 5_000,
  streamAgeMsMax: 300_000,
  lingerMs: 10_000,
  requestsPerClientMax: 64,
  requestBytesMax: 1 << 10,
  gatherMs: 10,
  tickMs: 250,
};
