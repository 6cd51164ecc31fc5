/**
 * The messages between the primary process and a worker, over Node's IPC channel with structured cloning. Messages arrive
 * in the order in which they were sent.
 */
import type { Action, BreakerReport } from '../admin/actions.ts';
import type { EndpointReport, FeedReport, HealthReport, TenantReport } from '../admin/reports.ts';
import type { Config } from '../config/config.ts';
import type { TenantAdvice } from '../observe/advice/report.ts';
import type { MetricsSnapshot } from '../observe/metrics.ts';
import type { OpenCalls } from '../observe/open-calls.ts';
import type { DrainReport } from '../proxy/proxy.ts';

export type ToWorker =
  /** The first message. The worker responds with `serving` or `failed`. */
  | {
      readonly kind: 'start';
      readonly worker: number;
      readonly config: Config;
      readonly tokenKey: Uint8Array;
    }
  /** The response is `Prepared`. Without problems the configuration can be committed. */
  | { readonly kind: 'prepare'; readonly id: number; readonly config: Config }
  | { readonly kind: 'commit' }
  | { readonly kind: 'discard' }
  /** Endpoints to use instead of the configured ones; null for the configured ones. */
  | { readonly kind: 'endpoints'; readonly found: readonly string[] | null }
  | { readonly kind: 'collect'; readonly id: number; readonly what: keyof Collected }
  /** The response is an `ActionResult`. */
  | { readonly kind: 'act'; readonly id: number; readonly action: Action }
  | { readonly kind: 'ping' }
  /** The worker drains as configured, sends `drained` and exits. */
  | { readonly kind: 'drain' };

/** What the primary process can collect from a worker. */
export interface Collected {
  readonly metrics: MetricsSnapshot;
  readonly endpoints: readonly EndpointReport[];
  readonly feeds: readonly FeedReport[];
  readonly tenants: readonly TenantReport[];
  readonly openCalls: OpenCalls;
  readonly breakers: readonly BreakerReport[];
  readonly health: HealthReport;
  readonly memberEndpoints: readonly string[] | null;
  readonly advice: readonly TenantAdvice[];
}

export type Prepared = {
  readonly problems: readonly string[];
  /** The bound addresses, by the names of their listeners. */
  readonly addresses: ReadonlyMap<string, string>;
};

export type ToPrimary =
  | { readonly kind: 'serving'; readonly addresses: ReadonlyMap<string, string> }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'response'; readonly id: number; readonly value: unknown }
  /** `hash` is that of the active configuration, empty before there is one. */
  | { readonly kind: 'pong'; readonly hash: string }
  | { readonly kind: 'drained'; readonly report: DrainReport };
