import { expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { SharedWatchSetup } from './setup.ts';

test('a shared watch starts on a member without a leader, which does not respond to the fence', () => {
  using setup = new SharedWatchSetup();
  const { clock, etcd, client } = setup;
  setup.create({ start_revision: '1' });

  const fence = etcd.last;
  const waitMs = fence.call.deadlineMs - clock.nowMs();
  expect(waitMs).toBeLessThan(hubLimits.joinTimeoutMs);
  clock.advance(waitMs);
  fence.fail(Code.DEADLINE_EXCEEDED, 'context deadline exceeded');
  setup.created(etcd.calls[1]);

  expect(setup.received).toEqual(['created 0']);
  expect(client.status).toBeNull();
});
