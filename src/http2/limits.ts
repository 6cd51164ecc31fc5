/**
 * Every bound of the engine, in one table. Each name ends in its unit; each comment says what happens at the bound.
 * None is stricter towards an honest peer than etcd's own server (grpc-go) is, but for `idleMsMax`, which an honest peer does
 * not notice.
 */
export const limits = {
  /**
   * Largest frame payload, the protocol's default: what we send at most, and what we accept. A longer one:
   * FRAME_SIZE_ERROR, connection closed.
   */
  frameBytesMax: 16_384,
  /** Decoded header list, counted as HPACK does (32 more per field). Over it the stream is reset: ENHANCE_YOUR_CALM. */
  headerListBytesMax: 65_536,
  /** Encoded header block over all its CONTINUATION frames. Over it the connection closes: ENHANCE_YOUR_CALM. */
  headerBlockBytesMax: 65_536,
  /** CONTINUATION frames of one block; honest peers fill each frame. Over it the connection closes. */
  continuationFramesMax: 16,
  /** HPACK dynamic table, in either direction. The default of the protocol and never announced otherwise. */
  headerTableBytesMax: 4_096,
  /** What a client may send on one stream ahead of our reading. */
  serverStreamWindowBytes: 1_048_576,
  /** What a server may answer on one stream ahead of our reading: 4 MiB fill 1 Gbit/s at 33 ms. */
  clientStreamWindowBytes: 4_194_304,
  /** What a peer may send on all streams of a connection ahead of the window updates that answer it at once. */
  connectionWindowBytes: 67_108_864,
  /** Bytes that arrived on streams whose reading is stopped. Over it such a stream is reset: ENHANCE_YOUR_CALM. */
  pausedBytesMax: 33_554_432,
  /** Bytes that wait for a stream's window before its producer is asked to pause until all have left. */
  streamQueueBytesMax: 262_144,
  /** Bytes of one turn that are handed to the socket before the turn is over. */
  turnOutputBytesMax: 262_144,
  /** Bytes that the socket has not taken. Over it no DATA is written, and a server stops reading requests. */
  socketBacklogBytesMax: 1_048_576,
  /** Acknowledgements and resets that a peer has us queue without reading them. Over it we stop reading. */
  controlFramesMax: 1_000,
  /**
   * Consecutive frames that carry nothing, within so much time. Over it the connection closes: ENHANCE_YOUR_CALM.
   */
  emptyFramesMax: 10_000,
  emptyFramesWindowMs: 10_000,
  /** Streams that were closed of late and are remembered, to tell a late frame from a wrong one. */
  closedStreamsMax: 1_024,
  /** Calls that wait in a client for the server's concurrency limit. Over it they are refused unsent. */
  waitingStreamsMax: 10_000,
  /** How long a connection may take to send its preface, and its first SETTINGS. */
  prefaceTimeoutMs: 10_000,
  /**
   * A client's connection without an open stream, on which nothing was opened and no ping came for so long, is asked to leave:
   * GOAWAY. Looked at once per such time, so that it takes up to twice as long. Clients that probe and forget would else fill
   * the process. Longer than the two hours after which a client without streams may ping.
   */
  idleMsMax: 10_800_000,
  /** How long a failed connection may take to read our GOAWAY before it is cut. */
  lingerMs: 1_000,
  /** How long a graceful GOAWAY waits for the answer to its PING before the second step. */
  drainPingMs: 1_000,
} as const;
