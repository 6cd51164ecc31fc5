/**
 * A scenario is data only. It lists its cases (the kind and shape of load) and its bars (the required ratio of a figure of
 * etcd-bulkhead to that of another target). The code that starts processes and measures is elsewhere, so a new row of the
 * comparison is a new entry in one file of `scenarios/`.
 */

/**
 * What can be measured. `etcd` is etcd without a proxy, `node-gateway` the lower bound for a proxy in Node, and the
 * `bulkhead` targets are the same program: on its two transports, and with two workers.
 */
export const targetNames = [
  'etcd',
  'grpc-proxy',
  'gateway',
  'node-gateway',
  'haproxy',
  'bulkhead-native',
  'bulkhead-grpc-js',
  'bulkhead-2-workers',
] as const;

export type TargetName = (typeof targetNames)[number];

/** Unary calls sent by h2load. `requests` is per round and target. */
export interface LoadCase {
  readonly kind: 'load';
  readonly name: string;
  readonly operation: 'put' | 'get' | 'range';
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

export type Case = LoadCase | WatchCase | KeepAliveCase;

/** One round's figures of one target. A figure that a case does not measure is null. Memory is that of the target's processes. */
export interface Sample {
  /** CPU of the proxy and its children, microseconds per request. For the target `etcd`: etcd's own. */
  readonly cpuUs: number | null;
  /** CPU of etcd, microseconds per request: a proxy can make the cluster's work cheaper or more expensive. */
  readonly etcdCpuUs: number | null;
  readonly perSecond: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Keepalive streams at etcd during the round. */
  readonly etcdStreams: number | null;
  readonly residentMiB: number;
  /** Peak resident memory since the process started, VmHWM. */
  readonly peakMiB: number;
}

/** A figure that a bar refers to: one of a sample, or the p50 latency minus that of etcd without a proxy. */
export type Measure = keyof Sample | 'addedP50Us';

/** `limit` is a ratio to the figure of `against`, or absolute without `against`. */
export interface Bar {
  readonly what: string;
  readonly case: string;
  readonly measure: Measure;
  readonly against: TargetName | null;
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
