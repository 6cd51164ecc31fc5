/** The objects of a proxy as they are connected, between a fake client transport and a fake listener. */
import { expect, test } from 'vitest';
import type { CallHandler, ServedMethod } from '../../../src/grpc/transport.ts';
import { createLogger } from '../../../src/observe/logger.ts';
import { Assembly } from '../../../src/proxy/assembly.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest } from '../../support/codec.ts';
import { load } from '../../support/configured.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf } from '../../support/test-call.ts';

const putName = 'etcdserverpb.KV/Put';
const listener = '127.0.0.1:2379';

/** One tenant, one listener and one endpoint, which is connected. */
async function assemble() {
  const { config } = load({
    namespace: 'game/',
    'listen-addr': listener,
    endpoints: ['127.0.0.1:1'],
  });
  if (config === null) throw new Error('the configuration is not valid');
  const clock = new ManualClock();
  const client = new FakeClientTransport();
  const handlers: CallHandler<ServedMethod>[] = [];
  const assembly = new Assembly(
    config,
    { logger: createLogger('silent'), clock },
    {
      makeClient: () => client,
      makeServer: () => ({
        listen: async (_options, handler) => {
          handlers.push(handler as unknown as CallHandler<ServedMethod>);
          return { address: listener, replaceTls: () => {}, drain: async () => 0 };
        },
      }),
    },
  );
  await assembly.listeners.prepare(config);
  for (const channel of client.channels) channel.become('ready');
  const put = () => {
    const { method } = callOf(putName);
    const peer = { listener, remote: '', certificate: null };
    const incoming = { method, metadata: [], deadlineMs: Number.POSITIVE_INFINITY, peer };
    const caller = new Caller();
    handlers[0]?.unary(incoming, encodeRequest(putName, { key: Buffer.from('a') }), caller);
    return caller;
  };
  return { assembly, client, put };
}

test('a call that a fault ends is counted as rejected', async () => {
  const { assembly, client, put } = await assemble();
  for (const channel of client.channels) {
    channel.unary = () => {
      throw new Error('a bug');
    };
  }
  expect(put().status?.code).toBe(13);
  const { text } = await assembly.metrics.exposition();
  expect(text).toContain('etcd_bulkhead_rejected_total{reason="proxy-fault"} 1\n');
});
