import { expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { watchLimits } from '../../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../../src/watch/watch.ts';
import {
  type CreateSpec,
  decodeRequest,
  encodeRequest,
  encodeResponse,
  headerField,
} from '../../../simulation/wire.ts';
import { Caller } from '../../../support/caller.ts';
import { decodeResponse } from '../../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../../support/fake-etcd.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';
import { testHub } from '../../../support/watch-hub.ts';
import { inShort, watchMethod } from '../setup.ts';

const create: CreateSpec = {
  key: 'a',
  end: 'b',
  startRevision: 105,
  watchId: 0,
  prevKv: false,
  fragment: false,
  progressNotify: false,
  noPut: false,
  noDelete: false,
};

const requests = (stream: EtcdCall<'tenant'> | undefined) =>
  stream?.requests.map((bytes) => decodeRequest(bytes)) ?? [];

test('a watch that starts after the current revision is not private, also if its fence has failed', () => {
  const etcd = new FakeEtcd<'tenant'>();
  const layer = onBytes(watch({ limits: watchLimits, hub: testHub(), isShared: () => true })(etcd));
  const client = new Caller();
  const stream = layer.stream(callOf(watchMethod, { tenant: testTenant() }), client);
  stream.send(encodeRequest({ kind: 'create', create }));
  const [fence] = etcd.calls;
  fence?.fail(Code.UNAVAILABLE, 'etcdserver: request timed out');
  const created = encodeResponse({ header: headerField(1, 100), watchId: 1, created: true });
  const privateStream = etcd.calls[1];
  privateStream?.deliver(created);
  // Until such a watch has started, etcd responds to no progress request of its stream.
  expect(requests(privateStream).at(-1)).toEqual({ kind: 'cancel', watchId: 1 });

  const feedStream = etcd.calls[2];
  expect(requests(feedStream)).toMatchObject([{ kind: 'create', create: { startRevision: 0 } }]);
  feedStream?.deliver(created);
  const told = () => client.messages.map((each) => inShort(decodeResponse(watchMethod, each)));
  expect(told()).toEqual(['created 0']);
  stream.cancel();
});
