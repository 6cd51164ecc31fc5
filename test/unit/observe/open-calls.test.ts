import { expect, test } from 'vitest';
import { method } from '../../../src/etcd/methods.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import { noOpenCalls, openCalls, sumOfOpenCalls } from '../../../src/observe/open-calls.ts';

const oneOfEach = [
  'etcdserverpb.KV/Put',
  'v3lockpb.Lock/Lock',
  'etcdserverpb.Watch/Watch',
  'etcdserverpb.Lease/LeaseKeepAlive',
  'v3electionpb.Election/Observe',
] as const;

test('calls that have not ended are counted by kind', () => {
  const counters = new CallCounters();
  for (const name of oneOfEach) counters.started(method(name));
  const open = { unary: 1, waiting: 1, watch: 1, keepalive: 1, stream: 1 };
  expect(openCalls(counters)).toEqual(open);
  expect(sumOfOpenCalls([open, noOpenCalls, open])).toEqual({
    ...{ unary: 2, waiting: 2, watch: 2, keepalive: 2, stream: 2 },
  });
  for (const name of oneOfEach) counters.ended(method(name), 0, 1);
  expect(openCalls(counters)).toEqual(noOpenCalls);
});
