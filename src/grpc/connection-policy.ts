/** Timeouts and intervals of connections that are the same for both transports. */

/** Pings on connections of clients, as etcd's settings of the same names (`--grpc-keepalive-…`). */
export interface ClientKeepAlive {
  /** A client that pings more often while calls are open is disconnected. grpc-js does not check it. */
  readonly minTimeMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** As in etcd: embed/config.go, DefaultGRPCKeepAlive… */
export const defaultKeepAlive: ClientKeepAlive = {
  minTimeMs: 5_000,
  intervalMs: 7_200_000,
  timeoutMs: 20_000,
};

/** Bounds of the backoff between two attempts to connect to an endpoint. */
export const reconnectMsMin = 100;
export const reconnectMsMax = 3_000;

/** From the acceptance of a client's connection to its first bytes of HTTP, TLS included. It closes afterwards. */
export const clientHandshakeMsMax = 10_000;

/** From the first packet of a connection to the server's SETTINGS, TLS included. */
export const handshakeMsMax = 5_000;
export const handshakeTimeoutText = `no HTTP/2 settings within ${handshakeMsMax} ms`;

export const userAgent = 'etcd-bulkhead';
