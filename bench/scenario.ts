/**
 * What a scenario is: data only. A scenario names its cases (which load, in which shape) and its bars (which of our
 * figures must stand in which proportion to which peer's); the code that starts processes and measures is elsewhere,
 * so that a new row of the comparison is a new entry in one file of `scenarios/`.
 */

/**
 * Who is measured. `etcd` is no proxy at all, `node-gateway` the least that one in Node can do; the two `bulkhead` ones are the
 * same program on its two transports.
 */
export const targetNames = [
  'etcd',
  'grpc-proxy',
  'gateway',
  'node-gateway',
  'haproxy',
  'bulkhead-native',
  'bulkhead-grpc-js',
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
  /** Whether all watch the same key, as processes of one game do, or each its own. */
  readonly keys: 'same' | 'own';
}

export type Case = LoadCase | WatchCase;

/** One round's figures of one target. What a case does not yield is null. Memory is that of the target's processes. */
export interface Sample {
  /** CPU of the proxy and its children, microseconds per request. For the target `etcd`: etcd's own. */
  readonly cpuUs: number | null;
  /** CPU of etcd, microseconds per request: a proxy can also make the cluster's work cheaper or dearer. */
  readonly etcdCpuUs: number | null;
  readonly perSecond: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly residentMiB: number;
  /** The highest residence since the process started, VmHWM. */
  readonly peakMiB: number;
}

/** A figure that bars speak of: one of a sample's, or the p50 latency less that of etcd without any proxy. */
export type Measure = keyof Sample | 'addedP50Us';

/** `limit` is a proportion to the figure of `against`, or absolute where there is no `against`. */
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
  /** Those that cannot do what the scenario asks. */
  readonly excludes: readonly TargetName[];
  readonly cases: readonly Case[];
  readonly bars: readonly Bar[];
}

/** The samples of one case: by target, one per round, in the order of the rounds. */
export interface CaseResult {
  readonly case: Case;
  readonly samples: Readonly<Partial<Record<TargetName, readonly Sample[]>>>;
}
