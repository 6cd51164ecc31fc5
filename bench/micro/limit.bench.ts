/**
 * The cost of the layer of limits per unary call, served and refused: medians over many short rounds, in one process, without
 * I/O. The layer below ends each call at once. Run it on an idle machine:
 *
 *   node bench/micro/limit.bench.ts
 */
import { limit } from '../../src/admission/limit.ts';
import { Call, type Message } from '../../src/call/call.ts';
import { noLimits, type UsageLimits } from '../../src/config/sections/usage-limits.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { method } from '../../src/etcd/methods.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { TenantState } from '../../src/tenant/state.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import { Usage } from '../../src/tenant/usage.ts';
import { heading, measure } from './measure.ts';
import { above, below } from './neighbours.ts';

const put = method('etcdserverpb.KV/Put');
const request = Buffer.alloc(300) as Uint8Array as Message<'tenant'>;

function callOf(limits: UsageLimits): Call {
  const state = new TenantState('game-1');
  state.usage.limits = limits;
  const tenant: Tenant = {
    name: 'game-1',
    keySpace: keySpace(Buffer.from('game-1/')),
    state,
    access: 'read-write',
    sharesWatches: true,
    cachesReads: false,
    owns: new Set(),
  };
  const peer = { listener: '', remote: '', certificate: null };
  const call = new Call({
    method: put,
    metadata: [],
    deadlineMs: Number.POSITIVE_INFINITY,
    peer,
  });
  call.tenant = tenant;
  return call;
}

function limitCase(name: string, limits: Partial<UsageLimits>): void {
  const layer = limit({ clock: systemClock, total: new Usage() })(below);
  const call = callOf({ ...noLimits, ...limits });
  measure(name, request.length, () => {
    layer.unary(call, request, above);
  });
}

const serving = { callsPerSecond: 1e9, callBurst: 1e9, openCallsMax: 25_000 };

heading('a put');
const direct = callOf(noLimits);
measure('without the layer', request.length, () => {
  below.unary(direct, request, above);
});
limitCase('served, no limits', {});
limitCase('served, with limits', serving);
limitCase('refused by the rate', { ...serving, callsPerSecond: 1e-9, callBurst: 1 });
limitCase('refused by the open calls', { ...serving, openCallsMax: 0 });
