/**
 * The rules of the advice: which traffic of a tenant is a finding, and what to do about it. docs/advice.md is generated from the
 * table. A finding that exists ends at half of its threshold, so that it does not come and go.
 */
import type { TenantTraffic } from './tenant-traffic.ts';

export type Figures = Readonly<Record<string, number>>;

/** A rule that holds. */
interface Match {
  /** A key or a prefix with one character per byte, or an address. Empty: the tenant. */
  readonly subject: string;
  readonly figures: Figures;
  /** Instead of the text of the rule. */
  readonly text?: string;
}

interface Rule {
  /** Whether `subject` is a key or a prefix. */
  readonly concernsKey: boolean;
  /** When it is a finding, for docs/advice.md. */
  readonly when: string;
  /** Why it matters, for docs/advice.md. */
  readonly why: string;
  /** What to do. */
  readonly text: string;
  /** What to do if the key is mostly read. */
  readonly otherText?: string;
  /** Null if the rule does not hold. `factor` is 1, or less for a finding that exists. */
  readonly match: (traffic: TenantTraffic, factor: number) => Match | null;
}

export const thresholds = {
  busyKeyShare: 0.5,
  busyKeyCallsPerSecond: 50,
  largeValueBytes: 128 * 1024,
  largeValuesPerMinute: 1,
  largeRangeBytes: 1024 * 1024,
  largeRangesPerMinute: 1,
  grantsPerMinute: 60,
  shortTtlSeconds: 5,
  shortGrantsPerMinute: 30,
  wholeEventsPerSecond: 50,
  connectionsPerMinute: 30,
} as const;

const watchInstead =
  'Watch this key and keep its value in memory instead of reading it again, or use serializable reads with --share-reads.';

export const rules = {
  'busy-key': {
    concernsKey: true,
    when: 'One key gets more than half of the calls of the tenant, and more than 50 calls/s.',
    why: 'Each linearizable read of a key is a round of the cluster, and all writes of a key go through one leader and one history.',
    text: 'Write this key less often, or split it into several keys: all its writes go through one leader and one history.',
    otherText: watchInstead,
    match: busyKey,
  },
  'large-values': {
    concernsKey: true,
    when: 'A request of 128 KiB or more writes a value, at least once per minute.',
    why: 'Every member writes the value to its log and its disk, and every watcher receives it. etcd is made for values of a few kilobytes.',
    text: 'Store large data elsewhere and its address in etcd, or split or compress it: every member writes the value to its log, and every watcher receives it.',
    match: ({ largeValues, seconds }, factor) =>
      atLeast(
        perMinute(largeValues.count, seconds),
        thresholds.largeValuesPerMinute * factor,
        (rate) => ({
          subject: largeValues.subject,
          figures: { perMinute: rate, largestBytes: largeValues.bytesMax },
        }),
      ),
  },
  'large-ranges': {
    concernsKey: true,
    when: 'A range returns 1 MiB or more, at least once per minute.',
    why: 'etcd holds the whole response in memory, and so do the proxy and the client. Other calls wait meanwhile.',
    text: 'Read in pages with a limit, read only what is needed (keys_only, count_only), or watch the range and keep it in memory.',
    match: ({ largeRanges, seconds }, factor) =>
      atLeast(
        perMinute(largeRanges.count, seconds),
        thresholds.largeRangesPerMinute * factor,
        (rate) => ({
          subject: largeRanges.subject,
          figures: {
            perMinute: rate,
            largestBytes: largeRanges.bytesMax,
            largestKeys: largeRanges.items,
          },
        }),
      ),
  },
  'lease-churn': {
    concernsKey: false,
    when: 'At least 60 leases per minute are granted, and fewer keepalives are sent than leases granted.',
    why: 'Each grant and each expiry is a write of the cluster. A lease that is never renewed usually belongs to a client that could use one lease for all of its keys.',
    text: 'Grant one lease per process, keep it alive, and attach all keys of the process to it: leases are granted and hardly renewed.',
    match: ({ grants, keepAlives, seconds }, factor) =>
      keepAlives * factor >= grants
        ? null
        : atLeast(perMinute(grants, seconds), thresholds.grantsPerMinute * factor, (rate) => ({
            subject: '',
            figures: { grantsPerMinute: rate, keepAlivesPerMinute: perMinute(keepAlives, seconds) },
          })),
  },
  'short-leases': {
    concernsKey: false,
    when: 'At least 30 leases per minute are granted with a TTL of 5 s or less.',
    why: 'Such a lease is renewed every second or two, and it expires during an election of the cluster or a short loss of the network.',
    text: 'Use a TTL of 10 s or more: a lease of a few seconds needs a renewal every second or two, and expires during an election of the cluster.',
    match: ({ shortGrants, seconds }, factor) =>
      atLeast(
        perMinute(shortGrants, seconds),
        thresholds.shortGrantsPerMinute * factor,
        (rate) => ({
          subject: '',
          figures: { grantsPerMinute: rate },
        }),
      ),
  },
  'whole-namespace-watch': {
    concernsKey: false,
    when: 'Watches of the whole namespace receive at least 50 events/s together.',
    why: 'Such a watcher receives every event of the tenant, also those that its client discards.',
    text: 'Watch only the prefixes that the client needs: a watch of the whole namespace receives every event of the tenant.',
    match: ({ wholeEvents, seconds }, factor) =>
      atLeast(
        perSecond(wholeEvents, seconds),
        thresholds.wholeEventsPerSecond * factor,
        (rate) => ({
          subject: '',
          figures: { eventsPerSecond: rate },
        }),
      ),
  },
  reconnects: {
    concernsKey: false,
    when: 'One address opens at least 30 connections per minute.',
    why: 'Each connection costs a handshake, memory, and with TLS more CPU than hundreds of calls.',
    text: 'Keep one client object per process and reuse its connection for all calls, and check that the client does not restart or time out repeatedly.',
    match: reconnects,
  },
} as const satisfies Record<string, Rule>;

export type FindingName = keyof typeof rules;

export const findingNames = Object.keys(rules) as readonly FindingName[];

export function ruleOf(name: FindingName): Rule {
  return rules[name];
}

function busyKey({ keys, calls, seconds }: TenantTraffic, factor: number): Match | null {
  const [busiest] = keys.counters;
  if (busiest === undefined) return null;
  // Without what another key may have contributed.
  const certain = busiest.count - busiest.error;
  const share = certain / Math.max(calls, 1);
  const rate = perSecond(certain, seconds);
  const { busyKeyShare, busyKeyCallsPerSecond } = thresholds;
  if (share < busyKeyShare * factor || rate < busyKeyCallsPerSecond * factor) return null;
  return {
    subject: busiest.key,
    figures: { callsPerSecond: rounded(rate), percentOfCalls: rounded(Math.min(share, 1) * 100) },
    ...(busiest.writes * 2 < certain && { text: watchInstead }),
  };
}

function reconnects({ connections, seconds }: TenantTraffic, factor: number): Match | null {
  const [most] = connections.counters;
  if (most === undefined) return null;
  const rate = perMinute(most.count - most.error, seconds);
  return atLeast(rate, thresholds.connectionsPerMinute * factor, () => ({
    subject: most.key,
    figures: { connectionsPerMinute: rate },
  }));
}

function atLeast(rate: number, threshold: number, match: (rate: number) => Match): Match | null {
  return rate >= threshold ? match(rate) : null;
}

function perSecond(count: number, seconds: number): number {
  return rounded(count / Math.max(seconds, 1));
}

function perMinute(count: number, seconds: number): number {
  return rounded((count * 60) / Math.max(seconds, 1));
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
