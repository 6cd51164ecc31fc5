/** What /health on the admin address reports of etcd. */
import { expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { upstreamHealth } from '../../../src/proxy/upstream-health.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';

class FakeUpstream extends FakeEtcd<'store'> {
  readonly states: string[];
  constructor(...states: string[]) {
    super();
    this.states = states;
  }
  snapshot() {
    return this.states.map((state) => ({ state }));
  }
}

test.each([
  ['a count', Code.OK],
  ['that the proxy may not read', Code.PERMISSION_DENIED],
  ['that the proxy has no user', Code.INVALID_ARGUMENT],
])('is healthy if etcd responds with %s', async (_, code) => {
  const etcd = new FakeUpstream('failed', 'ready');
  const report = upstreamHealth(etcd, new ManualClock());
  etcd.last.end(status(code, '', 'peer'));
  expect(await report).toEqual({ isHealthy: true, reason: '' });
});

test('is not healthy if the read fails, and says why', async () => {
  const etcd = new FakeUpstream('ready');
  const report = upstreamHealth(etcd, new ManualClock());
  etcd.last.end(status(Code.UNAVAILABLE, 'etcdserver: request timed out', 'peer'));
  const reason = 'GET ERROR:etcdserver: request timed out';
  expect(await report).toEqual({ isHealthy: false, reason });
});

test('sends nothing without a member that has a leader', async () => {
  const etcd = new FakeUpstream('no leader', 'connecting');
  const report = await upstreamHealth(etcd, new ManualClock());
  expect(report).toEqual({ isHealthy: false, reason: 'RAFT NO LEADER' });
  expect(etcd.calls).toEqual([]);
});
