import { expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { decodeRequest } from '../../../simulation/wire.ts';
import type { EtcdCall } from '../../../support/fake-etcd.ts';
import { SharedWatchSetup } from './setup.ts';

const requests = (stream: EtcdCall<'tenant'> | undefined) =>
  stream?.requests.map((bytes) => decodeRequest(bytes)) ?? [];

test('a watch that starts after the current revision is not private, also if its fence has failed', () => {
  using setup = new SharedWatchSetup();
  const { etcd } = setup;
  setup.create({ start_revision: 105 });
  const [fence] = etcd.calls;
  fence?.fail(Code.UNAVAILABLE, 'etcdserver: request timed out');
  const privateStream = etcd.calls[1];
  setup.created(privateStream);
  // Until such a watch has started, etcd responds to no progress request of its stream.
  expect(requests(privateStream).at(-1)).toEqual({ kind: 'cancel', watchId: 1 });

  const feedStream = etcd.calls[2];
  expect(requests(feedStream)).toMatchObject([{ kind: 'create', create: { startRevision: 0 } }]);
  setup.created(feedStream);
  expect(setup.received).toEqual(['created 0']);
});
