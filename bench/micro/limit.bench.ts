/**
 * The cost of the layer of limits per unary call, served and refused: medians over many short rounds, in one process, without
 * I/O. The layer below ends each call at once. Run it on an idle machine:
 *
 *   node bench/micro/limit.bench.ts
 */
import { limit } from '../../src/admission/limit.ts';
import type { Call, Message } from '../../src/call/call.ts';
import { noLimits, type UsageLimits } from '../../src/config/sections/usage-limits.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Usage } from '../../src/tenant/usage.ts';
import { callOf, testTenant } from '../../test/support/test-call.ts';
import { heading, measure } from './measure.ts';
import { above, below } from './neighbours.ts';

const request = Buffer.alloc(300) as Uint8Array as Message<'tenant'>;

function callWith(limits: UsageLimits): Call {
  const tenant = testTenant();
  tenant.state.usage.limits = limits;
  return callOf('etcdserverpb.KV/Put', { tenant });
}

function limitCase(name: string, limits: Partial<UsageLimits>): void {
  const layer = limit({ clock: systemClock, total: new Usage() })(below);
  const call = callWith({ ...noLimits, ...limits });
  measure(name, request.length, () => {
    layer.unary(call, request, above);
  });
}

const serving = { callsPerSecond: 1e9, callBurst: 1e9, openCallsMax: 25_000 };

heading('a put');
const direct = callWith(noLimits);
measure('without the layer', request.length, () => {
  below.unary(direct, request, above);
});
limitCase('served, no limits', {});
limitCase('served, with limits', serving);
limitCase('refused by the rate', { ...serving, callsPerSecond: 1e-9, callBurst: 1 });
limitCase('refused by the open calls', { ...serving, openCallsMax: 0 });
