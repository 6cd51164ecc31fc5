/** The content of the state pages of the admin address. */
import type { EffectiveSetting } from '../config/config.ts';
import type { BreakerClass } from '../etcd/methods.ts';
import type { DurationCounts } from '../tenant/recent-durations.ts';

/** What /health shows. */
export interface HealthReport {
  readonly isHealthy: boolean;
  /** Empty if it is healthy. */
  readonly reason: string;
}

/** One endpoint as /upstreamz shows it. */
export interface EndpointReport {
  readonly name: string;
  readonly state: string;
  /** The text of the system or of etcd for the current failure. Empty without a failure. */
  readonly lastError: string;
  /** The etcd version that the endpoint reported. Empty if it has not reported one. */
  readonly version: string;
  /** `leader`, `follower` or `learner`, as the endpoint last reported. Empty if it has not reported anything. */
  readonly role: string;
  /** Size of the member's database. 0 if the endpoint has not reported it. */
  readonly dbBytes: number;
  /** Open connections of the proxy, by channel class. */
  readonly connections: CountsByClass;
  /** Open streams and unary calls of the proxy, by channel class. */
  readonly openStreams: CountsByClass;
}

export type CountsByClass = Readonly<Record<'unary' | 'watch' | 'lease', number>>;

/** One feed of shared watches as /watchz shows it. */
export interface FeedReport {
  readonly tenant: string;
  /** The watched range, printable: the visible key and range end. */
  readonly key: string;
  readonly end: string;
  readonly state: string;
  /** Everything up to this revision has arrived from etcd. */
  readonly revision: number;
  readonly watchers: number;
  readonly historyBytes: number;
}

/** One tenant, as one process counts it. /tenantz shows percentiles instead of `durations`. */
export interface TenantReport {
  readonly tenant: string;
  readonly namespace: string;
  /** These five are counts since the process started, or since the state of the tenant began. See tenant/traffic.ts. */
  readonly calls: number;
  readonly errors: number;
  readonly refused: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Of about the last minute. */
  readonly durations: DurationCounts;
  /** Unary calls that have not ended. */
  readonly openCalls: number;
  /** Open streams, and calls that wait for other clients. */
  readonly streams: number;
  readonly watches: number;
  readonly feeds: number;
  /** About how many leases the clients keep alive. */
  readonly leases: number;
  /** Those that are not closed, or that are forced. */
  readonly breakers: readonly TenantBreakerReport[];
  readonly limits: readonly LimitReport[];
}

export interface TenantBreakerReport {
  readonly class: BreakerClass;
  readonly state: 'closed' | 'open' | 'half-open';
  /** Whether an operator has forced this state. */
  readonly forced: boolean;
}

/** A limit of which something is used, or that has refused something. */
export interface LimitReport {
  readonly name: string;
  /** Of a rate: how much of the burst is used up. */
  readonly used: number;
  /** Of a rate: the burst. */
  readonly limit: number;
  /** How often it has refused something, since the state of the tenant began. */
  readonly refused: number;
}

/** The configuration as /configz shows it. */
export interface ConfigurationReport {
  /** A hash of the settings. Processes with equal settings have equal hashes. */
  readonly hash: string;
  /** When the configuration was applied, in ISO 8601. */
  readonly since: string;
  /** The problems of a later configuration that was rejected. */
  readonly problems: readonly string[];
  /** Changed settings that take effect with a restart. */
  readonly needRestart: readonly string[];
  readonly certificates: readonly CertificateReport[];
  readonly settings: readonly EffectiveSetting[];
}

/** One worker as /configz shows it. */
export interface WorkerReport {
  readonly worker: number;
  /** Null while the worker is not running. */
  readonly pid: number | null;
  /** `starting`, `serving`, `hung` (it does not respond) or `ended`. */
  readonly state: WorkerState;
  /** How often it was started again. */
  readonly restarts: number;
  /** Hash of its active configuration, as of its last response. Empty if it has not responded yet. */
  readonly hash: string;
}

export type WorkerState = 'starting' | 'serving' | 'hung' | 'ended';

/** A certificate that the process presents. */
export interface CertificateReport {
  /** `server`: to clients. `client`: to etcd. */
  readonly use: 'server' | 'client';
  /** Empty for `client`. */
  readonly listener: string;
  /** In ISO 8601. */
  readonly expires: string;
}

/** Adds the workers for which a row holds. A process without workers has none. */
export type ByWorker<T> = T & { readonly workers?: readonly number[] };
