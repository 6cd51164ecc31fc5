import { describe, expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import type { Caller } from '../../../support/caller.ts';
import type { RequestOp, TxnRequest } from '../../../support/messages.ts';
import { bytes, encodeRequest, Setup } from '../setup.ts';

const floor = 50;
const range = (revision: number): RequestOp => ({ request_range: { key: bytes('a'), revision } });
const compare = [{ key: bytes('a'), target: 'MOD', mod_revision: 1 }] as const;

function compacted(): Setup {
  const setup = new Setup();
  setup.tenant.state.floor.raise(floor, new Uint8Array(0));
  return setup;
}

function expectCompacted(setup: Setup, heard: Caller): void {
  expect(heard.status).toMatchObject({
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision has been compacted',
  });
  expect(setup.etcd.calls.filter((call) => !call.isCancelled)).toEqual([]);
}

describe('below what a tenant has compacted', () => {
  test('a range is refused as etcd refuses it', () => {
    const setup = compacted();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a'), revision: 49 });
    expectCompacted(setup, heard);
  });

  test.each([50, 51, 0, -1])('a range at revision %i still goes to the cluster', (revision) => {
    const setup = compacted();
    setup.unary('etcdserverpb.KV/Range', { key: bytes('a'), revision });
    expect(setup.etcd.calls).toHaveLength(1);
  });

  test('a bad request is refused for what is wrong with it, not for its revision', () => {
    const { heard } = compacted().unary('etcdserverpb.KV/Range', { revision: 1 });
    expect(heard.text).toBe('etcdserver: key is not provided');
  });

  test('a range in pieces is refused as well', () => {
    const setup = compacted();
    const { heard, requests } = setup.stream('etcdserverpb.KV/RangeStream');
    requests.send(encodeRequest('etcdserverpb.KV/RangeStream', { key: bytes('a'), revision: 1 }));
    expectCompacted(setup, heard);
  });

  const refused: [string, TxnRequest][] = [
    ['that has no condition', { success: [range(0), range(49)] }],
    ['nested in one without condition', { success: [{ request_txn: { success: [range(1)] } }] }],
    [
      'nested twice',
      {
        success: [
          range(60),
          { request_txn: { success: [{ request_txn: { success: [range(1)] } }] } },
        ],
      },
    ],
  ];
  test.each(refused)('a transaction %s is refused whole', (_name, txn) => {
    const setup = compacted();
    const { heard } = setup.unary('etcdserverpb.KV/Txn', txn);
    expectCompacted(setup, heard);
  });

  const passed: [string, TxnRequest][] = [
    ['with a condition', { compare, success: [range(1)] }],
    ['with a condition, and the read in the other branch', { compare, failure: [range(1)] }],
    ['whose failure branch cannot be taken', { success: [range(60)], failure: [range(1)] }],
    ['with a nested condition', { success: [{ request_txn: { compare, success: [range(1)] } }] }],
    ['that reads at the floor', { success: [range(50), { request_put: { key: bytes('b') } }] }],
  ];
  test.each(passed)('a transaction %s goes to the cluster', (_name, txn) => {
    const setup = compacted();
    setup.unary('etcdserverpb.KV/Txn', txn);
    expect(setup.etcd.calls).toHaveLength(1);
  });

  test('another tenant still reads what this one has compacted', () => {
    const setup = new Setup('t2/');
    setup.unary('etcdserverpb.KV/Range', { key: bytes('a'), revision: 1 });
    expect(setup.etcd.calls).toHaveLength(1);
  });
});
