import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ok } from '../../../../src/grpc/status.ts';
import type { TenantState } from '../../../../src/tenant/state.ts';
import { Usage } from '../../../../src/tenant/usage.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { watchLimits } from '../../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../../src/watch/watch.ts';
import { Caller } from '../../../support/caller.ts';
import { encodeRequest, encodeResponse } from '../../../support/codec.ts';
import { FakeEtcd } from '../../../support/fake-etcd.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';
import { testHub } from '../../../support/watch-hub.ts';
import { header, watchMethod } from '../setup.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const clock = new ManualClock();
const etcd = new FakeEtcd<'tenant'>();
const hub = testHub(clock);
const layer = onBytes(
  watch({ limits: watchLimits, hub, total: new Usage(), isShared: () => true })(etcd),
);

/** Opens and cancels a watch of a tenant that nothing else references. */
function watchOnce(): WeakRef<TenantState> {
  const tenant = testTenant();
  const client = new Caller();
  const stream = layer.stream(callOf(watchMethod, { tenant }), client);
  stream.send(encodeRequest(watchMethod, { create_request: { key: Buffer.from('k') } }));
  const [fence] = etcd.calls;
  fence?.deliver(encodeResponse('etcdserverpb.KV/Range', { header }));
  fence?.end(ok);
  etcd.last.deliver(encodeResponse(watchMethod, { header, watch_id: '1', created: true }));
  expect(client.messages).toHaveLength(1);
  stream.cancel();
  return new WeakRef(tenant.state);
}

test('the hub forgets a tenant that was removed, after its last feed has closed', async () => {
  const state = watchOnce();
  expect(hub.snapshot()).toHaveLength(1);
  clock.advance(2 * hubLimits.lingerMs);
  expect(hub.snapshot()).toHaveLength(0);
  expect(clock.pendingTimers).toBe(0);
  etcd.calls.length = 0;
  // A WeakRef keeps its target until the end of the turn.
  await setImmediate();
  collectGarbage();
  expect(state.deref()).toBeUndefined();
});
