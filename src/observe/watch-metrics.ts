/** Metrics of shared watches: how many watchers share how few watches at etcd, and what that costs. */
import type { Metric } from 'prom-client';
import { type Sample, scraped } from './scraped-metric.ts';

export interface WatchUsage {
  readonly feeds: number;
  readonly watchers: number;
  readonly laggingWatchers: number;
  readonly historyBytes: number;
  readonly rounds: number;
  readonly upstreamEvents: number;
  readonly deliveredEvents: number;
  readonly fences: number;
  readonly joinsNow: number;
  readonly joinsFromHistory: number;
  readonly joinsPrivate: number;
}

export function watchMetrics(usage: () => WatchUsage): Metric[] {
  const gauge = (name: string, help: string, value: (now: WatchUsage) => number) =>
    scraped(`etcd_bulkhead_watch_${name}`, 'gauge', help, () => one(value(usage())));
  const counter = (name: string, help: string, value: (now: WatchUsage) => number) =>
    scraped(`etcd_bulkhead_watch_${name}`, 'counter', help, () => one(value(usage())));
  return [
    gauge('feeds', 'Watches at etcd that watchers share.', ({ feeds }) => feeds),
    gauge('watchers', 'Watches of clients that are open.', ({ watchers }) => watchers),
    gauge(
      'lagging_watchers',
      'Watches whose client applies backpressure, or that catch up with their feed.',
      ({ laggingWatchers }) => laggingWatchers,
    ),
    gauge(
      'history_bytes',
      'Bytes of events that are kept for watches that join or resume.',
      ({ historyBytes }) => historyBytes,
    ),
    counter(
      'rounds_total',
      'Deliveries of new events to the watchers of a feed.',
      ({ rounds }) => rounds,
    ),
    counter(
      'upstream_events_total',
      'Events that etcd sent to feeds.',
      ({ upstreamEvents }) => upstreamEvents,
    ),
    counter(
      'delivered_events_total',
      'Events that were delivered to watchers.',
      ({ deliveredEvents }) => deliveredEvents,
    ),
    counter(
      'fences_total',
      'Reads of the current revision for watches that join, for progress requests and for reads from memory.',
      ({ fences }) => fences,
    ),
    scraped(
      'etcd_bulkhead_watch_joins_total',
      'counter',
      'Watches that joined a feed: at the current revision, from its history, or through a private watch.',
      () => {
        const { joinsNow, joinsFromHistory, joinsPrivate } = usage();
        return [
          { labels: { kind: 'now' }, value: joinsNow },
          { labels: { kind: 'history' }, value: joinsFromHistory },
          { labels: { kind: 'private' }, value: joinsPrivate },
        ];
      },
    ),
  ];
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
