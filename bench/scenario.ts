/**
 * A scenario is data only. It lists its cases (the kind and shape of load) and its bars (the required ratio of a figure of
 * etcd-bulkhead to that of another target). The code that starts processes and measures is elsewhere, so a new row of the
 * comparison is a new entry in one file of `scenarios/`.
 */

/**
 * What can be measured. `etcd` is etcd without a proxy, `node-gateway` the lower bound for a proxy in Node. The `bulkhead`
 * targets are the same program on its two transports, without shared watches and keepalives, without limits, without the advice,
 * with an access log, with cached reads, and with two worker processes.
 */
export const targetNames = [
  'etcd',
  'grpc-proxy',
  'grpc-proxy-3.7',
  'gateway',
  'node-gateway',
  'haproxy',
  'bulkhead-native',
  'bulkhead-grpc-js',
  'bulkhead-unshared',
  'bulkhead-unlimited',
  'bulkhead-unobserved',
  'bulkhead-logged',
  'bulkhead-cached',
  'bulkhead-2-workers',
] as const;

export type TargetName = (typeof targetNames)[number];

/** The other targets are measured if they are requested. */
export const defaultTargets: readonly TargetName[] = [
  'etcd',
  'grpc-proxy',
  'gateway',
  'node-gateway',
  'haproxy',
  'bulkhead-native',
  'bulkhead-grpc-js',
];

/** Unary calls sent by h2load. `requests` is per round and target. */
export interface LoadCase {
  readonly kind: 'load';
  readonly name: string;
  readonly operation: 'put' | 'get' | 'range';
  /** As JSON over HTTP/1.1, one request at a time on each connection. Only puts. */
  readonly isJson?: true;
  readonly connections: number;
  readonly inFlightPerConnection: number;
  readonly requests: number;
}

/** Connections that each hold one open watch, on keys that never change. */
export interface WatchCase {
  readonly kind: 'idle-watches';
  readonly name: string;
  readonly connections: number;
  /** Whether all watches are on the same key, as for processes of one game, or each on its own key. */
  readonly keys: 'same' | 'own';
}

/** Connections with one keepalive stream each. Every lease is renewed once per second. */
export interface KeepAliveCase {
  readonly kind: 'keep-alives';
  readonly name: string;
  readonly connections: number;
  readonly leasesPerConnection: number;
  /** Per round and target. */
  readonly renewalsPerLease: number;
}

/** Watchers of one prefix or its keys, each of which must receive every put of a writer to what it watches. */
export interface WatchEventsCase {
  readonly kind: 'watch-events';
  readonly name: string;
  readonly connections: number;
  /** All on one stream, as clientv3 does. */
  readonly watchersPerConnection: number;
  /** Whether all watch the prefix, or each of them one key of it. */
  readonly keys: 'prefix' | 'own';
  /** Puts, written to etcd directly so that they cost the proxy nothing. */
  readonly eventsPerSecond: number;
  readonly events: number;
}

/** Watchers of one prefix, and as many puts to it as possible. */
export interface WatchContentionCase {
  readonly kind: 'watch-contention';
  readonly name: string;
  readonly connections: number;
  readonly watchersPerConnection: number;
  readonly putsInFlight: number;
  readonly seconds: number;
}

/** Watchers that all join at the same moment, on connections that are already open. */
export interface WatchJoinsCase {
  readonly kind: 'watch-joins';
  readonly name: string;
  readonly connections: number;
  readonly watchersPerConnection: number;
}

/** Memory of watchers without events, beyond that of their connections. */
export interface WatchMemoryCase {
  readonly kind: 'watch-memory';
  readonly name: string;
  readonly connections: number;
  readonly streamsPerConnection: number;
  readonly watchersPerStream: number;
}

/** A command that reads a namespace into a file, or writes it back. */
export interface TransferCase {
  readonly kind: 'transfer';
  readonly name: string;
  readonly operation: 'export' | 'import';
  readonly keys: number;
  readonly valueBytes: number;
}

export type Case =
  | LoadCase
  | WatchCase
  | KeepAliveCase
  | WatchEventsCase
  | WatchContentionCase
  | WatchJoinsCase
  | WatchMemoryCase
  | TransferCase;

/**
 * What a sample may contain:
 *
 *   cpuUs              CPU of the proxy and its children, microseconds per request, delivered event, watcher that joins or key.
 *                      For the target `etcd`: etcd's own
 *   etcdCpuUs          CPU of etcd, microseconds per request or put: a proxy can make the cluster's work cheaper
 *   perSecond          requests, delivered events, puts or keys
 *   reachedPerSecond   puts per second that have reached every watcher, until the last one has
 *   p50Us, p99Us       latency. For watchers that join: until the last one is created
 *   etcdBytes          bytes of messages that etcd sends for watches, per put
 *   upstreamRequests   requests that etcd received, each message of a stream included
 *   etcdStreams        keepalive streams at etcd during the round
 *   lostEvents         events that were missed, repeated or reordered, and watches that were ended
 *   watcherKiB         resident memory per watcher
 *   residentMiB        resident memory of the target's processes
 *   peakMiB            peak resident memory since the process started, VmHWM
 */
export const figures = [
  'cpuUs',
  'etcdCpuUs',
  'perSecond',
  'reachedPerSecond',
  'p50Us',
  'p99Us',
  'etcdBytes',
  'upstreamRequests',
  'etcdStreams',
  'lostEvents',
  'watcherKiB',
  'residentMiB',
  'peakMiB',
] as const;

export type Figure = (typeof figures)[number];

/** One round's figures of one target. A figure that a case does not measure is null. */
export type Sample = Readonly<Record<Figure, number | null>>;

/** A sample with these figures; all others are null. */
export function sampleOf(known: Partial<Sample>): Sample {
  const none: Partial<Record<Figure, number | null>> = {};
  for (const figure of figures) none[figure] = null;
  return { ...(none as Sample), ...known };
}

/** A figure that a bar refers to: one of a sample, or the p50 latency minus that of etcd without a proxy. */
export type Measure = Figure | 'addedP50Us';

/** `limit` is a ratio to the figure of `against`, or absolute without `against`. */
export interface Bar {
  readonly what: string;
  readonly case: string;
  readonly measure: Measure;
  /** Another target in the same case, or the same target in another case. */
  readonly against: TargetName | { readonly case: string } | null;
  readonly relation: 'at most' | 'at least';
  readonly limit: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** TLS between client and proxy, and between proxy and etcd. */
  readonly tls: boolean;
  /** Targets that do not support the scenario. */
  readonly excludes: readonly TargetName[];
  readonly cases: readonly Case[];
  readonly bars: readonly Bar[];
}

/** The samples of one case: by target, one per round, in the order of the rounds. */
export interface CaseResult {
  readonly case: Case;
  readonly samples: Readonly<Partial<Record<TargetName, readonly Sample[]>>>;
}
