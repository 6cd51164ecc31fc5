/**
 * The interface between the pipeline and gRPC over HTTP/2. A server transport accepts connections and turns their streams into
 * calls; a client transport sends calls on connections that it keeps up. Only message bytes, metadata and statuses pass the
 * interface. There are two implementations: `native` (the proxy's own engine in http2/) and `grpc-js`.
 */

import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { Clock } from '../runtime/clock.ts';
import type { CallHandle, RequestSink, ResponseSink } from './call.ts';
import type { ClientKeepAlive } from './connection-policy.ts';
import type { ClientConnections } from './connections/client-connections.ts';
import type { ConnectionPlace } from './connections/connection-place.ts';
import type { Metadata } from './metadata.ts';
import type { RevokedSerials } from './revocation-list.ts';

/** What a transport needs of a method: its path, and in which directions it streams. */
export interface ServedMethod {
  /** As in `:path`, for example `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** The names in a verified client certificate. Identities are made of them. */
export interface PeerCertificate {
  /** In the order of the certificate. The last one is the common name for Go and therefore for etcd. */
  readonly commonNames: readonly string[];
  /** Subject alternative names, parsed from the DER of the certificate and not from a printed form. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

/** The client of a connection. There is one object per connection, which layers may use as a key of a WeakMap. */
export interface Peer {
  /** The name of the listener that accepted the connection, from `ListenOptions`. */
  readonly listener: string;
  /** `host:port`, or empty for a Unix socket. For logs. */
  readonly remote: string;
  readonly certificate: PeerCertificate | null;
  /** What the connection occupies in the limits of the process. Missing for calls of the proxy itself. */
  readonly place?: Pick<ConnectionPlace, 'tenant' | 'assign' | 'local' | 'pipelined'>;
}

/** The request head of an incoming call. */
export interface Incoming<M extends ServedMethod> {
  readonly method: M;
  readonly metadata: Metadata;
  /** On the clock's monotonic scale; `Infinity` without a deadline. The transport does not enforce it. */
  readonly deadlineMs: number;
  readonly peer: Peer;
  /** The server as the client calls it: `:authority`, or the `host` header. Not validated. Missing for calls of the proxy itself. */
  readonly authority?: string;
}

/** Receives the calls of a server transport. A path that is not in `methods` is rejected with Unimplemented. */
export interface CallHandler<M extends ServedMethod> {
  readonly methods: ReadonlyMap<string, M>;
  /** For methods that stream in neither direction. Called when the request message is complete. */
  unary(incoming: Incoming<M>, request: Uint8Array, responses: ResponseSink): CallHandle;
  /** For all other methods. Called when the request head has arrived. */
  stream(incoming: Incoming<M>, responses: ResponseSink): RequestSink;
}

/** A TCP address, with port 0 for any free port, or the path of a Unix socket. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | {
      readonly path: string;
      /** Of the file of a listener's socket. Missing: 0660 and the group of the process. */
      readonly permissions?: SocketPermissions;
    };

/** The permissions of the file of a Unix socket. To connect, a client needs write permission. */
export interface SocketPermissions {
  /** For example 0o660. */
  readonly mode: number;
  /** Null: the group of the process. */
  readonly gid: number | null;
}

/** PEM texts. The object is replaced as a whole when the files change. */
export interface ServerTls {
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** If set, clients must present a certificate that one of these CA certificates signed. */
  readonly clientAuthorities: Buffer | null;
  /** Missing: TLS 1.2 and 1.3 with the cipher suites of Node.js. */
  readonly protocol?: TlsProtocol;
  /** Clients that present one of these certificates are disconnected after the handshake. */
  readonly revoked?: RevokedSerials;
}

export interface TlsProtocol {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names, separated by colons. Null: those of Node.js. */
  readonly ciphers: string | null;
}

/** As in node:tls. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface ListenOptions {
  readonly name: string;
  readonly address: SocketAddress;
  readonly tls: ServerTls | null;
  /** Larger request messages are rejected with ResourceExhausted and grpc-go's text. */
  readonly messageBytesMax: number;
  /** Concurrent streams per connection. `Infinity` announces no limit, as etcd does by default. */
  readonly streamsMax: number;
  /** Missing: etcd's defaults. */
  readonly keepAlive?: ClientKeepAlive;
}

export interface Listener {
  /** `host:port` with the real port, or the path of the socket. */
  readonly address: string;
  /**
   * Replaces certificate, key and CA certificates for later handshakes. For invalid PEM texts it throws OpenSSL's error and
   * changes nothing. It has no effect on a listener without TLS.
   */
  replaceTls(tls: ServerTls): void;
  /**
   * Stops accepting and sends GOAWAY. Resolves when the last connection has closed, at the latest after `withinMs`, with the
   * number of calls that were still open. The connections of those calls are destroyed.
   */
  drain(withinMs: number): Promise<number>;
}

/** What every transport needs, on both sides. */
export interface TransportOptions {
  readonly clock: Clock;
  /** Receives an exception of the call path, which is a bug. The call has ended with Internal. Must not throw. */
  readonly onFault: (fault: unknown) => void;
}

export interface ServerTransportOptions extends TransportOptions {
  /** The connections of all listeners, with their limits. */
  readonly connections: ClientConnections;
}

export interface ServerTransport {
  /** Resolves when the address is bound, and rejects with the system's error if it cannot be bound. */
  listen<M extends ServedMethod>(
    options: ListenOptions,
    handler: CallHandler<M>,
  ): Promise<Listener>;
}

export interface ClientTls {
  /** CA certificates to trust; null for those of the system. */
  readonly authorities: Buffer | null;
  /** Client certificate and key: both are set, or neither. */
  readonly certificate: Buffer | null;
  readonly key: Buffer | null;
  /** The name that the server's certificate must be valid for; null for the host of the address. */
  readonly serverName: string | null;
  readonly skipVerification: boolean;
}

export interface DialOptions {
  readonly address: SocketAddress;
  /** Read at every handshake. The owner may replace the object, but must not switch TLS on or off. */
  readonly tls: ClientTls | null;
  /** Interval of pings while calls are open. etcd closes connections that ping more often than every 5 s. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** connecting ─connected→ ready ─connection lost→ failed ─backoff expired→ connecting; any ─close()→ closed */
export type ChannelState = 'connecting' | 'ready' | 'failed' | 'closed';

export interface RequestHead {
  readonly path: string;
  readonly metadata: Metadata;
  /**
   * Sent as `grpc-timeout`. The transport enforces it, too: a call that has not ended by then ends with DeadlineExceeded and
   * origin `proxy`. `Infinity` sends and enforces none.
   */
  readonly timeoutMs: number;
  /** Where large responses count; without it, in the share of the process. Called when the first part of one arrives. */
  responseAccount?(): ByteAccount;
}

/**
 * One connection to one address. It is dialed at once, and again with backoff after each loss. A call on a channel that is not
 * ready ends at once with Unavailable and origin `unsent`. Waiting and choosing another endpoint is up to the caller.
 */
export interface Channel {
  readonly state: ChannelState;
  /** Why the channel is `failed`, in general the system's message; empty in other states. */
  readonly failure: string;
  /** Whether a call can be sent now: the channel is ready, and below the peer's limit of concurrent streams if it is known. */
  readonly hasRoom: boolean;
  /** Calls that have not ended. */
  readonly openStreams: number;
  /** Called after every change of `state` or `hasRoom`. Set by the owner of the channel. */
  onState: (() => void) | null;
  unary(head: RequestHead, message: Uint8Array, responses: ResponseSink): CallHandle;
  stream(head: RequestHead, responses: ResponseSink): RequestSink;
  /** Ends all open calls with origin `lost`. */
  close(): void;
}

export interface ClientTransport {
  dial(options: DialOptions): Channel;
}
