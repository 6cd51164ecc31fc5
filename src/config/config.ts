/**
 * The configuration as the rest of the program sees it: resolved, validated and immutable. Only load.ts builds one. A
 * reload builds a new one and never modifies this one. The types of the parts are in sections/.
 */
import type { ClientTls, ServerTls, SocketAddress } from '../grpc/transport.ts';
import type { AccessLogConfig } from './sections/access-log.ts';
import type { BearerConfig } from './sections/bearer.ts';
import type { BreakerConfig } from './sections/breaker.ts';
import type { DrainConfig } from './sections/drain.ts';
import type { EndpointConfig } from './sections/endpoints.ts';
import type { LimitsConfig } from './sections/limits.ts';
import type { ListenerConfig } from './sections/listeners.ts';
import type { LoginConfig } from './sections/login.ts';
import type { RegistrationConfig } from './sections/registration.ts';
import type { TenantConfig } from './sections/tenants.ts';
import type { TracingConfig } from './sections/tracing.ts';
import type { UriPattern } from './sections/uri-pattern.ts';
import type { UsageLimits } from './sections/usage-limits.ts';
import type { PasswordHash } from './sections/users.ts';
import type { LeaseIds } from './settings/namespace.ts';
import type { KeyForm, LogLevel, TransportName } from './settings/operation.ts';

/** One setting with the value in effect. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: unknown;
  /** The flag, the environment variable, the file and line, or `default`. */
  readonly origin: string;
}

export interface Config {
  readonly tenants: readonly TenantConfig[];
  /** Key of stored lease IDs beside the namespace. Empty: no key. */
  readonly leaseSecret: Uint8Array;
  readonly leaseIds: LeaseIds;
  readonly listeners: readonly ListenerConfig[];
  /** Password hashes of tenants' users, by user. */
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** Keys of session tokens. The first one signs. Empty: the process uses a key of its own. */
  readonly tokenKeys: readonly Uint8Array[];
  /** How to verify bearer tokens. Null: no key set is configured. */
  readonly bearer: BearerConfig | null;
  readonly uriPatterns: readonly UriPattern[];
  /** The configured ones, or those that were found instead. Empty only before the first response of DNS. */
  readonly endpoints: readonly EndpointConfig[];
  readonly configuredEndpoints: readonly EndpointConfig[];
  /** TLS to members whose addresses begin with https://. */
  readonly secureTls: ClientTls;
  /** TLS to members whose addresses have no scheme. Null: plain text. */
  readonly schemelessTls: ClientTls | null;
  /** Null: the proxy does not authenticate to etcd. */
  readonly login: LoginConfig | null;
  /** The proxy's client URLs in MemberList responses. Empty: the addresses of the listeners. */
  readonly advertiseClientUrls: readonly string[];
  /** Whether the client addresses serve etcd's API as JSON. */
  readonly jsonGateway: boolean;
  /** Origins of web pages that may use HTTP on the client addresses; `*` for all. */
  readonly corsOrigins: readonly string[];
  /** Null: the proxy does not register itself in etcd. */
  readonly registration: RegistrationConfig | null;
  /** Null: no admin address. Port 0 picks a free port. */
  readonly adminAddress: SocketAddress | null;
  /** Null: plain text. */
  readonly adminTls: ServerTls | null;
  /** Whether the admin address performs actions. */
  readonly adminActions: boolean;
  /** Whether a request to the admin address can end the process. */
  readonly adminShutdown: boolean;
  readonly transport: TransportName;
  /** How many processes serve clients. 1: this process does. */
  readonly workers: number;
  readonly logLevel: LogLevel;
  /** How logs and traces show keys. They never contain values. */
  readonly logKeys: KeyForm;
  readonly accessLog: AccessLogConfig;
  readonly auditLog: boolean;
  /** Whether the calls of tenants are sampled for advice. */
  readonly advice: boolean;
  /** Null: calls are not traced. */
  readonly tracing: TracingConfig | null;
  /** Whether the keepalives of all clients share streams to etcd. */
  readonly shareKeepAlives: boolean;
  /** Whether identical serializable reads in flight share one read at etcd. */
  readonly shareReads: boolean;
  /** How long an unsent call may wait for an endpoint or a leader. 0: not at all. */
  readonly holdMs: number;
  /** Deadline of unary calls without a client deadline. */
  readonly requestTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly drain: DrainConfig;
  readonly breaker: BreakerConfig;
  readonly limits: LimitsConfig;
  /** What all tenants together may use. Each tenant has its own limits beside these. */
  readonly totals: UsageLimits;
  /** Every setting and list in effect, for print-config and /configz. */
  readonly effective: readonly EffectiveSetting[];
}
