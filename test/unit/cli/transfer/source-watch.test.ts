/** The queue of a mirror's watch, and how the mirror waits for it. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { EtcdClient } from '../../../../src/cli/transfer/etcd-client.ts';
import { SourceWatch } from '../../../../src/cli/transfer/mirror/source-watch.ts';
import { endedCall } from '../../../../src/grpc/call.ts';
import { Code, status } from '../../../../src/grpc/status.ts';
import { encodeResponse } from '../../../support/codec.ts';

const clusterId = 'f'.repeat(16);

function open() {
  const etcd = { upstream: { stream: () => endedCall } } as unknown as EtcdClient;
  const range = { key: Buffer.from('a'), end: Buffer.from('b') };
  const watch = new SourceWatch(etcd, range, 4, clusterId);
  const deliver = (revision: number) =>
    watch.deliver(
      encodeResponse('etcdserverpb.Watch/Watch', {
        header: { cluster_id: '18446744073709551615', revision: String(revision) },
        events: [{ kv: { key: Buffer.from('a'), mod_revision: String(revision) } }],
      }),
    );
  return { watch, deliver };
}

/** Whether a mirror that waits now continues within a turn of the event loop. */
async function continues(watch: SourceWatch): Promise<boolean> {
  let hasContinued = false;
  void watch.changed(60_000).then(() => {
    hasContinued = true;
  });
  await turn();
  return hasContinued;
}

test('a revision that arrives before the mirror waits is not waited for', async () => {
  const { watch, deliver } = open();
  deliver(5);
  expect(await continues(watch)).toBe(true);
  watch.shift();
  expect(await continues(watch)).toBe(false);
  watch.end(status(Code.UNAVAILABLE, 'end', 'peer'));
});

test('a mirror that waits continues at the next revision, and at the end of the watch', async () => {
  const { watch, deliver } = open();
  const changed = watch.changed(60_000);
  deliver(5);
  await changed;
  watch.shift();
  const ended = watch.changed(60_000);
  watch.end(status(Code.UNAVAILABLE, 'end', 'peer'));
  await ended;
  expect(await continues(watch)).toBe(true);
  expect(() => watch.peek()).toThrow('end');
});
