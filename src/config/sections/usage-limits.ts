/**
 * The limits on what a tenant, or all tenants of the process together, may use at a time. The settings are the defaults of
 * every tenant; a key of the same name in `tenants` replaces one for that tenant. 0 in the configuration means no limit.
 */
import type { TenantKey } from '../file.ts';
import type { ListEntryReader } from '../list-entry.ts';
import type { ProblemReporter } from '../problem.ts';
import type { SettingName, Settings } from '../schema.ts';
import { overheadBytes } from './limits.ts';

/** `Infinity` means no limit. */
export interface UsageLimits {
  readonly callsPerSecond: number;
  /** Calls that may start at once after a pause. */
  readonly callBurst: number;
  /** Unary calls, except those that wait for other clients. */
  readonly openCallsMax: number;
  /** Streams, and unary calls that wait for other clients, such as Lock. */
  readonly openStreamsMax: number;
  readonly openWatchesMax: number;
  readonly leasesPerMinute: number;
  /** Size of one message from a client. */
  readonly messageBytesMax: number;
}

export const noLimits: UsageLimits = {
  callsPerSecond: Number.POSITIVE_INFINITY,
  callBurst: Number.POSITIVE_INFINITY,
  openCallsMax: Number.POSITIVE_INFINITY,
  openStreamsMax: Number.POSITIVE_INFINITY,
  openWatchesMax: Number.POSITIVE_INFINITY,
  leasesPerMinute: Number.POSITIVE_INFINITY,
  messageBytesMax: Number.POSITIVE_INFINITY,
};

/** The keys of a tenant that replace the setting of the same name. */
export const tenantLimitKeys = [
  'max-calls-per-second',
  'max-call-burst',
  'max-open-calls',
  'max-open-streams',
  'max-open-watches',
  'max-leases-per-minute',
  'max-request-bytes',
] as const satisfies readonly SettingName[];

export type TenantLimitKey = (typeof tenantLimitKeys)[number];

type Values = Readonly<Record<TenantLimitKey, number>>;

/** A tenant's limit that is greater than the total of the process would never be reached. */
const totalOf: { readonly [key in TenantLimitKey]?: SettingName } = {
  'max-calls-per-second': 'max-total-calls-per-second',
  'max-open-calls': 'max-total-open-calls',
  'max-open-streams': 'max-total-open-streams',
  'max-open-watches': 'max-total-open-watches',
};

/** The limits of a tenant without limits of its own. `explicit` has the settings that are not defaults. */
export function resolveTenantLimits(
  settings: Settings,
  explicit: { has(name: SettingName): boolean },
  report: ProblemReporter,
): UsageLimits {
  check(settings, settings, (key) => explicit.has(key), report);
  return limitsOf(settings, false);
}

/** The limits of one entry of `tenants`. Entries without limits of their own share `defaults`. */
export function readTenantLimits(
  reader: ListEntryReader<TenantKey>,
  settings: Settings,
  defaults: UsageLimits,
): UsageLimits {
  if (!tenantLimitKeys.some((key) => reader.has(key))) return defaults;
  const values = Object.fromEntries(
    tenantLimitKeys.map((key) => [key, reader.number(key, settings[key])]),
  ) as Record<TenantLimitKey, number>;
  // The burst of all tenants belongs to their rate.
  if (reader.has('max-calls-per-second') && !reader.has('max-call-burst')) {
    values['max-call-burst'] = 0;
  }
  check(values, settings, (key) => reader.has(key), reader.report);
  const bytesMax = settings['max-request-bytes'];
  if (values['max-request-bytes'] > bytesMax) {
    reader.report(
      'max-request-bytes',
      `must not be greater than --max-request-bytes, which is ${bytesMax} bytes`,
    );
  }
  return limitsOf(values, reader.has('max-request-bytes'));
}

/** The limits of all tenants of the process together. */
export function resolveTotalLimits(settings: Settings): UsageLimits {
  const callsPerSecond = limit(settings['max-total-calls-per-second']);
  return {
    ...noLimits,
    callsPerSecond,
    callBurst: callsPerSecond,
    openCallsMax: limit(settings['max-total-open-calls']),
    openStreamsMax: limit(settings['max-total-open-streams']),
    openWatchesMax: limit(settings['max-total-open-watches']),
  };
}

function check(
  values: Values,
  settings: Settings,
  isExplicit: (key: TenantLimitKey) => boolean,
  report: ProblemReporter,
): void {
  if (values['max-call-burst'] > 0 && values['max-calls-per-second'] === 0) {
    report('max-call-burst', 'requires a limit in max-calls-per-second');
  }
  for (const key of tenantLimitKeys) {
    const totalName = totalOf[key];
    if (totalName === undefined || !isExplicit(key)) continue;
    const total = settings[totalName] as number;
    if (total > 0 && values[key] > total) {
      report(key, `must not be greater than --${totalName}, which is ${total}`);
    }
  }
}

function limitsOf(values: Values, hasMessageLimit: boolean): UsageLimits {
  const callsPerSecond = limit(values['max-calls-per-second']);
  const burst = values['max-call-burst'];
  return {
    callsPerSecond,
    callBurst: burst === 0 ? callsPerSecond : burst,
    openCallsMax: limit(values['max-open-calls']),
    openStreamsMax: limit(values['max-open-streams']),
    openWatchesMax: limit(values['max-open-watches']),
    leasesPerMinute: limit(values['max-leases-per-minute']),
    // The transport enforces the limit of the listeners.
    messageBytesMax: hasMessageLimit
      ? values['max-request-bytes'] + overheadBytes
      : Number.POSITIVE_INFINITY,
  };
}

function limit(value: number): number {
  return value === 0 ? Number.POSITIVE_INFINITY : value;
}
