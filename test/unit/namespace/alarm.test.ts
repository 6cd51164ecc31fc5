import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { answerOf, encodeResponse, header, Setup } from './setup.ts';

const name = 'etcdserverpb.Maintenance/Alarm';

test('which alarms are raised is shown, and not where', () => {
  const setup = new Setup();
  const { heard } = setup.unary(name, { action: 'GET' });
  const alarms = [
    { memberID: '8', alarm: 'NOSPACE' },
    { memberID: '9', alarm: 'NOSPACE' },
    { memberID: '9', alarm: 'CORRUPT' },
  ];
  setup.etcd.call.answer(encodeResponse(name, { header, alarms }));
  expect(answerOf(name, heard)).toMatchObject({
    header,
    alarms: [
      { memberID: '42', alarm: 'NOSPACE' },
      { memberID: '42', alarm: 'CORRUPT' },
    ],
  });
});

test('what leaves is a GET, whatever came', () => {
  const setup = new Setup();
  for (const action of ['GET', 'ACTIVATE', 'DEACTIVATE'] as const) {
    setup.unary(name, { action, memberID: 8, alarm: 'CORRUPT' });
    expect(setup.stored(name)).toEqual({ action: 'GET', memberID: '0', alarm: 'CORRUPT' });
  }
});

test('bytes that are no message are refused', () => {
  const setup = new Setup();
  const { heard } = setup.unaryBytes(name, Uint8Array.of(0xff));
  expect(heard.code).toBe(Code.INTERNAL);
  expect(setup.etcd.calls).toEqual([]);
});
