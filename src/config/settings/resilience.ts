/** The settings for overload and for failures of the cluster. */
import { etcdTimeoutMs } from '../../etcd/outcomes.ts';
import type { Setting } from '../setting.ts';

const minuteMs = 60_000;

export const resilienceSettings = {
  hold: {
    kind: 'duration',
    default: '5s',
    max: 10 * minuteMs,
    section: 'resilience',
    reload: 'restart',
    doc: 'Maximum time an unsent call waits for an available endpoint. 0 rejects such calls immediately.',
  },
  'max-in-flight': {
    kind: 'integer',
    default: '1000',
    section: 'resilience',
    reload: 'restart',
    min: 1,
    max: 1_000_000,
    doc: 'Maximum number of unary calls at etcd at the same time. Further calls wait for up to 5 s; tenants take turns. Locks and elections that wait are not counted.',
  },
  'max-read-bytes': {
    kind: 'bytes',
    default: '128MiB',
    section: 'resilience',
    reload: 'restart',
    min: 1 << 20,
    doc: 'Maximum size of the responses to large reads that etcd prepares at the same time, as learnt from earlier responses. Further large reads wait; tenants take turns. A read that is alone is always sent.',
  },
  'request-timeout': {
    kind: 'duration',
    default: '15s',
    min: 100,
    section: 'resilience',
    reload: 'restart',
    doc: `Timeout of unary calls without a client deadline. Below ${etcdTimeoutMs / 1_000}s, calls can time out during a leader election.`,
  },
  breaker: {
    kind: 'boolean',
    default: 'true',
    section: 'resilience',
    reload: 'restart',
    doc: 'Enable circuit breakers: while too many calls fail, reject calls without sending them to etcd.',
  },
  'breaker-window': {
    kind: 'duration',
    default: '10s',
    min: 1000,
    section: 'resilience',
    reload: 'restart',
    doc: 'Time window over which a breaker counts failures.',
  },
  'breaker-min-calls': {
    kind: 'integer',
    default: '20',
    min: 1,
    section: 'resilience',
    reload: 'restart',
    doc: 'Minimum number of calls within the window before a breaker can open.',
  },
  'breaker-error-percent': {
    kind: 'integer',
    default: '50',
    min: 1,
    max: 99,
    section: 'resilience',
    reload: 'restart',
    doc: 'Percentage of failed calls within the window above which a breaker opens.',
  },
  'breaker-open': {
    kind: 'duration',
    default: '1s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'Initial time a breaker stays open before it sends a probe. Doubles after each failed probe.',
  },
  'breaker-open-max': {
    kind: 'duration',
    default: '30s',
    min: 10,
    section: 'resilience',
    reload: 'restart',
    doc: 'Maximum time a breaker stays open before it sends a probe.',
  },
} as const satisfies Record<string, Setting>;
