/**
 * The seam between the pipeline and HTTP/2. A transport turns connections into calls (`ServerTransport`) and calls into
 * connections (`ClientTransport`); both sides carry message bytes, metadata and statuses and nothing of the library
 * underneath. There are two: `native` (our engine, over http2/) and `grpc-js`.
 */
import type { CallHandle, RequestSink, ResponseSink } from './call.ts';
import type { Metadata } from './metadata.ts';

/** What a transport has to know of a method: its path, and whether the two sides may send more than one message. */
export interface ServedMethod {
  /** As in `:path`, for example `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** A verified client certificate, reduced to what identities are made of. */
export interface PeerCertificate {
  readonly commonName: string;
  /** Exact URI and DNS subject alternative names, parsed from the certificate itself and not from a printed form. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

/** The other end of a connection. One object per connection: layers may hang what they learnt on it in a WeakMap. */
export interface Peer {
  /** The name of the listener that accepted it, as given in `ListenOptions`. */
  readonly listener: string;
  /** `host:port`, or empty for a Unix socket. For logs. */
  readonly remote: string;
  readonly certificate: PeerCertificate | null;
}

/** The head of a call as it arrived. */
export interface Incoming<M extends ServedMethod> {
  readonly method: M;
  readonly metadata: Metadata;
  /** On the clock's monotonic scale; `Infinity` when the client set none. The transport itself does not enforce it. */
  readonly deadlineMs: number;
  readonly peer: Peer;
}

/** What a server transport hands calls to. Paths that `methods` does not know are answered Unimplemented. */
export interface CallHandler<M extends ServedMethod> {
  readonly methods: ReadonlyMap<string, M>;
  /** Called for methods that stream in neither direction, with the whole request message. */
  unary(incoming: Incoming<M>, request: Uint8Array, reply: ResponseSink): CallHandle;
  /** Called for all others, as soon as the head is there. */
  stream(incoming: Incoming<M>, reply: ResponseSink): RequestSink;
}

/** A TCP address (`port` 0 takes any free one) or the path of a Unix socket. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** PEM texts. Replaced whole when the files change. */
export interface ServerTls {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** Set: clients must present a certificate that one of these authorities signed. */
  readonly clientAuthorities: Buffer | null;
}

export interface ListenOptions {
  readonly name: string;
  readonly address: SocketAddress;
  readonly tls: ServerTls | null;
  /** Messages over this are refused with ResourceExhausted, as grpc-go words it. */
  readonly messageBytesMax: number;
  /** Concurrent streams of one connection; `Infinity` announces no limit, as etcd does by default. */
  readonly streamsMax: number;
}

export interface Listener {
  /** Where it listens: `host:port` with the real port, or the socket's path. */
  readonly address: string;
  /**
   * Shows another certificate, or accepts those of other authorities, from the next handshake on. Throws OpenSSL's error
   * for unusable PEM texts, and nothing has changed then. Not for a listener without TLS.
   */
  replaceTls(tls: ServerTls): void;
  /**
   * Stops accepting, sends GOAWAY and resolves when the last connection is gone or after `withinMs`, whichever is
   * first, with the number of calls that were then still open. Those are cut off.
   */
  drain(withinMs: number): Promise<number>;
}

export interface ServerTransport {
  /** Resolves when the port is bound; rejects with the system's error when it cannot be. */
  listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener>;
}

export interface ClientTls {
  /** Authorities to trust; null trusts the system's. */
  readonly authorities: Buffer | null;
  /** Client certificate and key, both or none. */
  readonly certificate: Buffer | null;
  readonly key: Buffer | null;
  /** Name to verify the server's certificate against, where it differs from the address. */
  readonly serverName: string | null;
  readonly skipVerification: boolean;
}

export interface DialOptions {
  readonly address: SocketAddress;
  /** Read at every handshake: its owner may replace it, but not by null or null by it. */
  readonly tls: ClientTls | null;
  /** Pings while calls are open; etcd punishes intervals below 5 s. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** connecting ─connection up→ ready ─lost→ failed ─back-off over→ connecting; any ─close()→ closed */
export type ChannelState = 'connecting' | 'ready' | 'failed' | 'closed';

export interface RequestHead {
  readonly path: string;
  readonly metadata: Metadata;
  /** Sent as `grpc-timeout`; `Infinity` sends none. */
  readonly timeoutMs: number;
}

/**
 * One connection to one address, dialled at once and again after each loss. Calls on a channel that is not ready end
 * at once with Unavailable and origin `unsent`; waiting and choosing another endpoint is the caller's business.
 */
export interface Channel {
  readonly state: ChannelState;
  /** Why it is `failed`, in the system's words; empty otherwise. */
  readonly failure: string;
  /** Called after every change of `state`. One listener: the endpoint that owns the channel. */
  onState: (() => void) | null;
  unary(head: RequestHead, message: Uint8Array, reply: ResponseSink): CallHandle;
  stream(head: RequestHead, reply: ResponseSink): RequestSink;
  /** Open calls end with origin `lost`. */
  close(): void;
}

export interface ClientTransport {
  dial(options: DialOptions): Channel;
}
