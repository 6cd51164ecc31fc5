/**
 * The configuration as the rest of the program sees it: resolved, checked, immutable. Where a value came from (flag,
 * environment, file, default) and how it was spelled is forgotten here, but for `effective`. Built by load.ts alone; a
 * reload builds another one and never changes this.
 */
import type { MethodName } from '../etcd/methods.ts';
import type { ClientTls, ServerTls, SocketAddress } from '../grpc/transport.ts';
import type { BearerConfig } from './sections/bearer.ts';
import type { PasswordHash } from './sections/users.ts';

/** `read-only` tenants may not write. */
export type Access = 'read-write' | 'read-only';

/** One tenant as configured. tenant/ checks it against the others and builds the `Tenant` from it. */
export interface TenantConfig {
  readonly name: string;
  /** UTF-8 text of the key prefix. Empty: the whole cluster. */
  readonly namespace: string;
  /** The upper 32 bits of its stored lease IDs; null derives it from the namespace. */
  readonly leaseTag: number | null;
  /** The namespace may end in something that is no delimiter, because its owner vouches for the others. */
  readonly allowUndelimited: boolean;
  readonly access: Access;
  /** Methods of the whole cluster that it may call as its owner. */
  readonly owns: readonly MethodName[];
  /**
   * Who is this tenant on listeners that look at identities: `user:NAME`, `claim:VALUE`, `uri:`, `dns:` or `cn:` and a
   * name of the certificate. No other tenant has any of them.
   */
  readonly identities: readonly string[];
}

/** What a listener tells clients apart by; in the order of precedence of etcd, where a token wins over a certificate. */
export const ways = ['user', 'jwt', 'certificate'] as const;
export type Way = (typeof ways)[number];

/** `spiffe://td/ns/{ns}/sa/{sa}` and the name that its parts make, for example `{ns}.{sa}`. */
export interface UriPattern {
  readonly uri: string;
  readonly tenant: string;
}

/** The proxy's own user at etcd. */
export interface LoginConfig {
  readonly user: string;
  readonly password: string;
}

export interface ListenerConfig {
  /** The address as it was spelled; the `listener` of every `Peer` that it accepts. */
  readonly name: string;
  readonly address: SocketAddress;
  /** The name of the tenant that whoever shows no identity is; null: nobody. */
  readonly tenant: string | null;
  /** Empty: nobody is asked who they are. */
  readonly identify: readonly Way[];
  /** The client's own token goes to etcd, and the proxy's does not. */
  readonly passesCredentials: boolean;
  /** Null speaks plain text. */
  readonly tls: ServerTls | null;
  /**
   * False for an address that nobody asked for: the default [::1]:2379 may be missing where the machine has no IPv6.
   * An address that is taken is an error all the same.
   */
  readonly required: boolean;
}

export interface EndpointConfig {
  /** The endpoint as it was spelled, for logs and metrics. */
  readonly name: string;
  readonly address: SocketAddress;
  /** Null speaks plain text. */
  readonly tls: ClientTls | null;
}

export interface DrainConfig {
  /** After the signal: not ready, but still accepting. */
  readonly minMs: number;
  /** Over which watch streams are ended, so that clients do not come back in one burst. */
  readonly windowMs: number;
  /** After which whatever is left is cut off. At least `minMs + windowMs`. */
  readonly maxMs: number;
}

export interface BreakerConfig {
  /** False: calls are judged by nobody and none is refused. */
  readonly enabled: boolean;
  readonly windowMs: number;
  /** Fewer calls than this within the window never open it. */
  readonly callsMin: number;
  /** Opens when more than this share of the window's calls failed. */
  readonly errorPercent: number;
  /** How long it stays open the first time; doubles with every failed probe up to `openMaxMs`. */
  readonly openMs: number;
  readonly openMaxMs: number;
}

export interface LimitsConfig {
  /** Of one message from a client. etcd's own: --max-request-bytes and 512 KiB of room for what stands around it. */
  readonly messageBytesMax: number;
  /** Concurrent streams of one connection from a client; `Infinity` announces no limit, as etcd does. */
  readonly streamsMax: number;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const transports = ['native', 'grpc-js'] as const;
export type TransportName = (typeof transports)[number];

/** One setting as it took effect. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: unknown;
  /** `flag`, `default`, the name of the environment variable, or the file with its line. */
  readonly origin: string;
}

export interface Config {
  readonly tenants: readonly TenantConfig[];
  readonly listeners: readonly ListenerConfig[];
  /** Hashes of the passwords of tenants' users, by user. */
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** How bearer tokens are verified; null where no listener asks for any. */
  readonly bearer: BearerConfig | null;
  readonly uriPatterns: readonly UriPattern[];
  readonly endpoints: readonly EndpointConfig[];
  /** Null: the proxy does not authenticate itself at etcd. */
  readonly login: LoginConfig | null;
  /** What MemberList names as the proxy's client URLs. Empty: the listeners' own addresses. */
  readonly advertiseClientUrls: readonly string[];
  /** Null: no admin address. Port 0 takes any free one. */
  readonly adminAddress: SocketAddress | null;
  readonly transport: TransportName;
  readonly logLevel: LogLevel;
  /** Keys may appear in logs. Values never do. */
  readonly logKeys: boolean;
  /** How long a call that was never sent may wait for an endpoint or a leader. 0: not at all. */
  readonly holdMs: number;
  /** The deadline of unary calls whose client set none. */
  readonly requestTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly drain: DrainConfig;
  readonly breaker: BreakerConfig;
  readonly limits: LimitsConfig;
  /** Everything that was in force when this was built, for print-config and /configz. */
  readonly effective: readonly EffectiveSetting[];
}
