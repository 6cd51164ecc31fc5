/** Which endpoints stay while members restart one after the other, and their advertised addresses cannot be reached. */
import { expect, test } from 'vitest';
import { memberEndpoints } from '../../../src/upstream/member-endpoints.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { encodeResponse } from '../../support/codec.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';

const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
const ports = [1, 2, 3];

/** Member N is behind endpoint `http://eN`, and belongs to the cluster of that number. */
function setUp(clusterIds: readonly number[]) {
  const clock = new ManualClock();
  const transport = new FakeClientTransport();
  const upstream = new Upstream({
    ...{ memory: memoryOf(), transport, clock, random, login: null, onLoginFailure: null },
    endpoints: ports.map((port) => ({
      ...{ name: `http://e${port}`, address: { host: '127.0.0.1', port }, tls: null },
    })),
    passesCredentials: () => true,
    mayMoveStreams: () => true,
    onClusterReplaced: () => {},
    keepaliveMs: 10_000,
    keepaliveTimeoutMs: 5_000,
  });
  for (const port of ports) transport.to(port)[0]?.become('ready');
  clock.advance(1);
  for (const port of ports) {
    const header = { cluster_id: String(clusterIds[port - 1]), member_id: String(port) };
    transport
      .to(port)[0]
      ?.probes.at(-1)
      ?.respond(encodeResponse('etcdserverpb.Maintenance/Status', { header, leader: '1' }));
  }
  return {
    transport,
    async endpoints() {
      const found = memberEndpoints({
        ...{ upstream, transport, clock, requiresTls: () => false },
        tls: () => {
          throw new Error('no address has TLS');
        },
      });
      const members = ports.map((port) => ({
        ...{ ID: String(port), name: `m${port}`, clientURLs: [`http://10.0.0.${port}:9`] },
      }));
      const calls = transport.channels.flatMap(({ clientCalls }) => clientCalls);
      const call = calls.find(({ isEnded }) => !isEnded);
      call?.respond(encodeResponse('etcdserverpb.Cluster/MemberList', { members }));
      for (let i = 0; i < 20; i += 1) await Promise.resolve();
      for (const channel of transport.to(9)) channel.become('failed', 'EHOSTUNREACH');
      return found;
    },
  };
}

test('a member that is down keeps its endpoint', async () => {
  const { transport, endpoints } = setUp([1, 1, 1]);
  transport.to(2)[0]?.become('failed', 'ECONNREFUSED');
  expect(await endpoints()).toEqual(['http://e1', 'http://e2', 'http://e3']);
  transport.to(2)[0]?.become('ready');
  transport.to(3)[0]?.become('failed', 'ECONNREFUSED');
  expect(await endpoints()).toEqual(['http://e1', 'http://e2', 'http://e3']);
});

test('the endpoint of another cluster does not stand for a member with the same ID', async () => {
  const { endpoints } = setUp([1, 1, 2]);
  expect(await endpoints()).toEqual(['http://e1', 'http://e2']);
});
