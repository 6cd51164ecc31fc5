/**
 * The rows of the table of settings for the limits per tenant and, with `total` in their names, per process. The defaults are
 * far above what any known legitimate load needs: they stop a program that is out of control, not a busy one.
 */
import type { Setting } from '../setting.ts';

export const limitSettings = {
  'max-calls-per-second': {
    kind: 'integer',
    default: '200000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum rate of calls of a tenant, streams that are opened included, per process. Lease keepalives and revokes are not limited. 0: no limit.',
  },
  'max-call-burst': {
    kind: 'integer',
    default: '0',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum number of calls that a tenant may start at once after a pause. 0: as many as max-calls-per-second.',
  },
  'max-open-calls': {
    kind: 'integer',
    default: '25000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum number of unary calls of a tenant that have not ended, per process. 0: no limit.',
  },
  'max-open-streams': {
    kind: 'integer',
    default: '50000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum number of open streams of a tenant and of its calls that wait for other clients (Lock, Campaign), per process. Keepalive streams are not limited. 0: no limit.',
  },
  'max-open-watches': {
    kind: 'integer',
    default: '100000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum number of open watches of a tenant, per process. A create beyond it is cancelled; its stream continues. 0: no limit.',
  },
  'max-leases-per-minute': {
    kind: 'integer',
    default: '100000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum rate of leases that a tenant may grant, also by locks and elections that name no lease, per process. The burst is that of a minute. 0: no limit.',
  },
  'max-total-calls-per-second': {
    kind: 'integer',
    default: '0',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'Maximum rate of calls of all tenants of a process, streams that are opened included. The burst is that of a second. 0: no limit.',
  },
  'max-total-open-calls': {
    kind: 'integer',
    default: '100000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'As max-open-calls, for all tenants of a process together.',
  },
  'max-total-open-streams': {
    kind: 'integer',
    default: '100000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'As max-open-streams, for all tenants of a process together.',
  },
  'max-total-open-watches': {
    kind: 'integer',
    default: '200000',
    max: 1_000_000_000,
    section: 'limits',
    reload: 'applied',
    doc: 'As max-open-watches, for all tenants of a process together.',
  },
} as const satisfies Record<string, Setting>;
