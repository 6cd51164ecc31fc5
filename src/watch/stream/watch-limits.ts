/** The bounds of one watch stream of a client. */
/** At either limit a create is rejected, and the stream continues. etcd has no such limits. */
export interface WatchLimits {
  /** Watch IDs in use on one stream. */
  readonly watchersMax: number;
  /** Creates of one stream that have no response yet. */
  readonly createsPendingMax: number;
}

export const watchLimits: WatchLimits = {
  watchersMax: 100_000,
  createsPendingMax: 100_000,
};
