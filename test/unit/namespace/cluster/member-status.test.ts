import { expect, test } from 'vitest';
import { answerOf, encodeResponse, header, Setup } from '../setup.ts';

const name = 'etcdserverpb.Maintenance/Status';

const full = {
  header,
  version: '3.6.1',
  dbSize: '1',
  leader: '8',
  raftIndex: '2',
  raftTerm: '3',
  raftAppliedIndex: '4',
  errors: ['etcdserver: no leader'],
  dbSizeInUse: '5',
  isLearner: true,
};

test('version, header and health are shown, positions are not, and the size is that of an empty store', () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, {});
  setup.etcd.last.respond(encodeResponse(name, full));
  expect(answerOf(name, heard)).toMatchObject({
    header: { ...header, member_id: '42' },
    version: '3.6.1',
    raftTerm: '3',
    errors: ['etcdserver: no leader'],
    isLearner: true,
    dbSize: '20480',
    dbSizeInUse: '20480',
    raftIndex: '0',
    raftAppliedIndex: '0',
  });
});

test('the leader is the proxy, unless there is none', () => {
  const setup = new Setup();
  const led = setup.unary(name, {});
  setup.etcd.last.respond(encodeResponse(name, full));
  expect(answerOf(name, led.heard).leader).toBe('42');
  const leaderless = setup.unary(name, {});
  setup.etcd.last.respond(encodeResponse(name, { ...full, leader: '0' }));
  expect(answerOf(name, leaderless.heard).leader).toBe('0');
});

test('a field that is not known here is not shown', () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, {});
  const future = Buffer.from('a00601', 'hex'); // field 100
  setup.etcd.last.respond(Buffer.concat([encodeResponse(name, { version: '4' }), future]));
  const sizes = { dbSize: '20480', dbSizeInUse: '20480' };
  expect(heard.messages).toEqual([encodeResponse(name, { version: '4', ...sizes })]);
});
