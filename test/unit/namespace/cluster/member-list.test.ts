import { expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { answerOf, encodeResponse, Setup } from '../setup.ts';

const name = 'etcdserverpb.Cluster/MemberList';
// Cluster responses have no revision.
const header = { cluster_id: '18446744073709551615', member_id: '8', raft_term: '3' };

test("the proxy is the only member, under the cluster's header", () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, { linearizable: true });
  expect(setup.stored(name)).toEqual({ linearizable: true });
  const members = ['a', 'b', 'c'].map((member) => ({
    ID: '1',
    name: member,
    clientURLs: [`http://10.0.0.1:2379/${member}`],
  }));
  setup.etcd.last.respond(encodeResponse(name, { header, members }));
  const answer = answerOf(name, heard);
  expect(answer.header).toEqual({ ...header, member_id: '42', revision: '0' });
  expect(answer.members).toEqual([
    {
      ID: '42',
      name: 'bulkhead',
      peerURLs: [],
      clientURLs: ['http://main:2379'],
      isLearner: false,
    },
  ]);
});

test('an error of the cluster is passed on, and no member is invented', () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, {});
  setup.etcd.last.fail(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
  expect(heard.messages).toEqual([]);
  expect(heard.text).toBe('etcdserver: permission denied');
});

test('registered proxies are the members, as in etcd’s own proxy', () => {
  const setup = new Setup();
  setup.registered = [
    { name: 'host-1', memberId: 42n, clientUrls: ['127.0.0.1:23790'] },
    { name: 'host-2', memberId: 43n, clientUrls: ['http://10.0.0.2:2379'] },
  ];
  const { heard } = setup.unary(name, {});
  setup.etcd.last.respond(encodeResponse(name, { header }));
  expect(answerOf(name, heard).members).toMatchObject([
    { ID: '42', name: 'host-1', clientURLs: ['127.0.0.1:23790'] },
    { ID: '43', name: 'host-2', clientURLs: ['http://10.0.0.2:2379'] },
  ]);
});
