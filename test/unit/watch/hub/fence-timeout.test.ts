import { expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { watchLimits } from '../../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../../src/watch/watch.ts';
import { encodeResponse, headerField } from '../../../simulation/wire.ts';
import { Caller } from '../../../support/caller.ts';
import { decodeResponse, encodeRequest } from '../../../support/codec.ts';
import { FakeEtcd } from '../../../support/fake-etcd.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';
import { testHub } from '../../../support/watch-hub.ts';
import { inShort, watchMethod } from '../setup.ts';

test('a shared watch starts on a member without a leader, which does not respond to the fence', () => {
  const clock = new ManualClock();
  const etcd = new FakeEtcd<'tenant'>();
  const hub = testHub(clock);
  const layer = onBytes(watch({ limits: watchLimits, hub, isShared: () => true })(etcd));
  const client = new Caller();
  const stream = layer.stream(callOf(watchMethod, { tenant: testTenant() }), client);
  const create_request = { key: Buffer.from('k'), start_revision: '1' };
  stream.send(encodeRequest(watchMethod, { create_request }));

  const fence = etcd.last;
  const waitMs = fence.call.deadlineMs - clock.nowMs();
  expect(waitMs).toBeLessThan(hubLimits.joinTimeoutMs);
  clock.advance(waitMs);
  fence.fail(Code.DEADLINE_EXCEEDED, 'context deadline exceeded');
  etcd.calls[1]?.deliver(
    encodeResponse({ header: headerField(1, 100), watchId: 1, created: true }),
  );

  const responses = client.messages.map((each) => inShort(decodeResponse(watchMethod, each)));
  expect(responses).toEqual(['created 0']);
  expect(client.status).toBeNull();
  stream.cancel();
});
