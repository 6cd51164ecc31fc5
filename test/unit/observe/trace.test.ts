import { expect, test } from 'vitest';
import type { CallTrace } from '../../../src/call/trace.ts';
import { trace } from '../../../src/observe/trace.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, message } from '../../support/test-call.ts';

const recorded: CallTrace = {
  attempt: () => {
    throw new Error('no attempt is made here');
  },
};

test('without a tracer there is no layer', () => {
  const etcd = new FakeEtcd<'tenant'>();
  expect(trace(null)(etcd)).toBe(etcd);
});

test('a call has its trace before the layers below see it, or none', () => {
  for (const given of [recorded, null]) {
    const seen: (CallTrace | null)[] = [];
    const etcd = new FakeEtcd<'tenant'>();
    etcd.onCall = ({ call }) => void seen.push(call.trace);
    const layer = trace({ begin: () => given })(etcd);
    layer.unary(callOf('etcdserverpb.KV/Put'), message('request'), new Caller());
    layer.stream(callOf('etcdserverpb.Watch/Watch'), new Caller());
    expect(seen).toEqual([given, given]);
  }
});
