import { describe, expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { slowMessage as message } from '../../../support/slow-rewriter.ts';
import { answerOf, encodeResponse, header, Setup } from '../setup.ts';

const name = 'etcdserverpb.Maintenance/Alarm';

test('active alarms are shown without their members', () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, { action: 'GET' });
  const alarms = [
    { memberID: '8', alarm: 'NOSPACE' },
    { memberID: '9', alarm: 'NOSPACE' },
    { memberID: '9', alarm: 'CORRUPT' },
  ];
  setup.etcd.last.respond(encodeResponse(name, { header, alarms }));
  expect(answerOf(name, heard)).toMatchObject({
    header: { ...header, member_id: '42' },
    alarms: [
      { memberID: '42', alarm: 'NOSPACE' },
      { memberID: '42', alarm: 'CORRUPT' },
    ],
  });
});

test('every request is sent as a GET', () => {
  const setup = new Setup();
  for (const action of ['GET', 'ACTIVATE', 'DEACTIVATE'] as const) {
    setup.unary(name, { action, memberID: 8, alarm: 'CORRUPT' });
    expect(setup.stored(name)).toEqual({ action: 'GET', memberID: '0', alarm: 'CORRUPT' });
  }
});

test('bytes that are not a message are rejected', () => {
  const setup = new Setup();
  const { heard } = setup.unaryBytes(name, Uint8Array.of(0xff));
  expect(heard.code).toBe(Code.INTERNAL);
  expect(setup.etcd.calls).toEqual([]);
});

describe('the owner of the cluster', () => {
  const owner = () => new Setup('t1/', new Set(['etcdserverpb.Maintenance/Alarm']));

  test.each<[string, Uint8Array]>([
    ['a query', message()],
    ['a query for one kind', message([3, 2n])],
    ['an alarm', message([1, 1n], [2, 8n], [3, 1n])],
    ['a disarming', message([1, 2n], [3, 2n])],
    ['a disarming of no kind', message([1, 2n])],
  ])('has %s passed on unchanged', (_what, request) => {
    const setup = owner();
    const { heard } = setup.unaryBytes(name, request);
    expect(setup.etcd.last.request).toBe(request);
    const answer = encodeResponse(name, { alarms: [{ memberID: '8', alarm: 'NOSPACE' }] });
    setup.etcd.last.respond(answer);
    expect(heard.messages).toEqual([answer]);
  });

  test.each<[string, Uint8Array]>([
    ['an action that does not exist', message([1, 9n])],
    ['an action below zero', message([1, -1n])],
    ['an action that some parsers cut to another', message([1, 2n ** 32n + 1n], [3, 1n])],
    ['an action that another one follows', message([1, 9n], [1, 0n])],
    ['a kind that does not exist', message([3, 3n])],
    ['an alarm of no kind', message([1, 1n])],
    ['an alarm of a kind that is cut to none', message([1, 1n], [3, -(2n ** 63n)])],
    ['an alarm of a kind and of none', message([1, 1n], [3, 1n], [3, 0n])],
    ['an alarm of none and of a kind', message([1, 1n], [3, 0n], [3, 1n])],
  ])('is refused %s, which would end every member', (_what, request) => {
    const setup = owner();
    const { heard } = setup.unaryBytes(name, request);
    expect(heard.code).toBe(Code.INVALID_ARGUMENT);
    expect(setup.etcd.calls).toEqual([]);
  });
});
