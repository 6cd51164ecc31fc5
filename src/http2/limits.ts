/**
 * Every limit of the engine in one table. Each name ends in its unit; each comment says what happens at the limit. No limit is
 * stricter towards an honest peer than those of etcd's own server (grpc-go), except two that an honest peer does not notice:
 * `idleMsMax`, and the size of headers, for which grpc-go permits 16 MiB.
 */
export const limits = {
  /**
   * Frame payload, in both directions; the protocol's default. No larger frame is sent. A larger one that is received closes
   * the connection: FRAME_SIZE_ERROR.
   */
  frameBytesMax: 16_384,
  /** Decoded headers of a request, counted as HPACK does (plus 32 per field). Over it the stream is reset: ENHANCE_YOUR_CALM. */
  requestHeadersBytesMax: 262_144,
  /**
   * The same for responses and trailers, which clients receive in turn. Some libraries accept no more. etcd's own are far smaller.
   */
  responseHeadersBytesMax: 65_536,
  /** Encoded header block, all its CONTINUATION frames included. Over it the connection closes: ENHANCE_YOUR_CALM. */
  headerBlockBytesMax: 262_144,
  /** Frames of one header block; honest peers fill each frame. Over it the connection closes: ENHANCE_YOUR_CALM. */
  continuationFramesMax: 16,
  /** HPACK dynamic table, in either direction; the protocol's default. Entries are evicted beyond it. */
  headerTableBytesMax: 4_096,
  /**
   * Window of a stream that a client opened, as in grpc-go. A longer message gets the rest of its length when its memory is
   * reserved (grpc/message-framing.ts). Over the window the stream is reset: FLOW_CONTROL_ERROR.
   */
  serverStreamWindowBytes: 65_536,
  /** Window of a stream to a server, until it is known to be a stream of messages. A longer message as above. */
  clientStreamWindowBytes: 131_072,
  /** Window of a stream of messages from a server. 4 MiB fill 1 Gbit/s at 33 ms. */
  clientStreamWindowBytesMax: 4_194_304,
  /** Window of a connection, granted again at once. Over it the connection closes: FLOW_CONTROL_ERROR. */
  connectionWindowBytes: 67_108_864,
  /** Bytes per connection that arrived on paused streams. Over it such a stream is reset: ENHANCE_YOUR_CALM. */
  pausedBytesMax: 33_554_432,
  /** Bytes that a stream queues for its window. From here on `mustWait` is true, and producers pause until all are sent. */
  streamQueueBytesMax: 262_144,
  /** Bytes of one turn of the event loop. Over it they are written to the socket before the turn ends. */
  turnOutputBytesMax: 262_144,
  /** Bytes that the socket has not taken. Over it no DATA is written, and a server stops reading requests. */
  socketBacklogBytesMax: 1_048_576,
  /** Control frames (acknowledgements, resets) queued for a peer that does not read. Over it reading from the peer stops. */
  controlFramesMax: 1_000,
  /** Consecutive frames that carry nothing within `emptyFramesWindowMs`. Over it the connection closes: ENHANCE_YOUR_CALM. */
  emptyFramesMax: 10_000,
  emptyFramesWindowMs: 10_000,
  /** Recently closed streams that are remembered, to distinguish late frames from violations. The oldest are dropped. */
  closedStreamsMax: 1_024,
  /** Streams of a client that wait for the server's concurrency limit. Over it calls are rejected unsent. */
  waitingStreamsMax: 10_000,
  /** Time for the peer of a new connection to send its first SETTINGS. After it the connection closes: SETTINGS_TIMEOUT. */
  settingsTimeoutMs: 10_000,
  /**
   * Time without an open or new stream and without a ping on a client's connection. After it the connection gets GOAWAY, so that
   * abandoned connections do not accumulate. Checked once per such time, so it takes up to twice as long. It exceeds the
   * two hours after which a client without streams may ping.
   */
  idleMsMax: 10_800_000,
  /** Time for the peer of a failed connection to read the GOAWAY. After it the socket is destroyed. */
  lingerMs: 1_000,
  /** Time for a client to acknowledge the PING of a graceful shutdown. After it the second GOAWAY is sent. */
  drainPingMs: 1_000,
} as const;
