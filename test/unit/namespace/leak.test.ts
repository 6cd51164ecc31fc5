/**
 * An etcd that responds with keys of another tenant, in every field of every response that can hold a key. The fields
 * are read from the table, so a new row is tested without a change here.
 */
import { describe, expect, test } from 'vitest';
import { type ResponseName, responses } from '../../../src/etcd/fields.ts';
import { type Method, methods } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import type { MessageFields, ResponseRule } from '../../../src/rewrite/field-table.ts';
import { slowMessage as message } from '../../support/slow-rewriter.ts';
import { bytes, Setup } from './setup.ts';

const table: { readonly [name in ResponseName]: MessageFields<ResponseRule> } = responses;

/** Field numbers from the response down to the key. */
type Path = readonly number[];

/** Every path to a key, through at most `nested` nested messages. */
function places(name: ResponseName, nested = 2): Path[] {
  return Object.entries(table[name].fields).flatMap(([text, rule]): Path[] => {
    const number = Number(text);
    if (rule === 'key') return [[number]];
    if (typeof rule === 'string') return [];
    const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
    if ('nested' in rule && nested === 0) return [];
    const rest = places(child as ResponseName, 'nested' in rule ? nested - 1 : nested);
    return rest.map((path) => [number, ...path]);
  });
}

/** A response with `key` at the path, and keys of the tenant in all other required fields. */
function answerWith(name: ResponseName, [number = 0, ...rest]: Path, key: Uint8Array): Uint8Array {
  const fields: [number, Uint8Array][] = [];
  for (const [text, rule] of Object.entries(table[name].fields)) {
    if (Number(text) === number) {
      if (typeof rule === 'string') fields.push([number, key]);
      else {
        const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
        // Behind a valid one, if it is repeated.
        const own = places(child as ResponseName)[0];
        if ('each' in rule && own !== undefined) {
          fields.push([number, answerWith(child as ResponseName, own, bytes('t1/own'))]);
        }
        fields.push([number, answerWith(child as ResponseName, rest, key)]);
      }
    } else if (rule === 'key') fields.push([Number(text), bytes('t1/own')]);
  }
  return message(...fields);
}

const foreign = ['t2/secret', 't1', 'secret', '', 't0/\xff'].map(bytes);
const showing = methods.filter((m) => m.decision === 'namespaced' && places(m.response).length > 0);
const cases = showing.flatMap((m) => places(m.response).map((path) => ({ method: m, path })));

function start(setup: Setup, m: Method) {
  if (m.requestStream || m.responseStream) return setup.stream(m.name).heard;
  // With a lease and a key, so that every method takes it and goes straight to etcd.
  const leader = message([1, 'x'], [2, 'x'], [4, 5n]);
  const isAboutLeader = m.request === 'ProclaimRequest' || m.request === 'ResignRequest';
  const isSession = m.request === 'LockRequest' || m.request === 'CampaignRequest';
  const request = isAboutLeader
    ? message([1, leader])
    : isSession
      ? message([1, 'x'], [2, 5n])
      : m.request === 'TxnRequest' || m.request.startsWith('Lease')
        ? message()
        : message([1, 'x']);
  return setup.unaryBytes(m.name, request).heard;
}

describe('a key of another tenant is never delivered', () => {
  test.each(cases.map((c) => [c.method.name, c.path.join('.'), c] as const))(
    '%s, in %s',
    (_name, _path, { method, path }) => {
      for (const key of foreign) {
        const setup = new Setup();
        const heard = start(setup, method);
        setup.etcd.last.deliver(answerWith(method.response, path, key));
        expect(heard.messages).toEqual([]);
        const expected = method.responseStream ? Code.UNAVAILABLE : Code.INTERNAL;
        expect(heard.code).toBe(expected);
        expect(setup.violations).toMatchObject([
          { call: { method }, fault: 'namespace-violation' },
        ]);
        expect(setup.etcd.last.isCancelled).toBe(true);
      }
    },
  );

  test('and the same responses with keys of the tenant are', () => {
    for (const { method, path } of cases) {
      const setup = new Setup();
      const heard = start(setup, method);
      setup.etcd.last.deliver(answerWith(method.response, path, bytes('t1/mine')));
      expect(heard.status).toBeNull();
      expect(Buffer.from(heard.messages[0] ?? []).toString('latin1')).not.toContain('t1/');
      expect(setup.violations).toEqual([]);
    }
  });

  test("in the keys of a lease it is left out, since that list is the cluster's", () => {
    const setup = new Setup();
    const { heard } = setup.unaryBytes(
      'etcdserverpb.Lease/LeaseTimeToLive',
      message([1, 5n], [2, 1n]),
    );
    setup.etcd.last.deliver(message([3, 60n], ...foreign.map((k) => [5, k] as const)));
    expect(heard.messages).toEqual([message([3, 60n])]);
  });

  test('every method whose responses have keys is among them', () => {
    expect(showing.map(({ name }) => name)).toEqual([
      'etcdserverpb.KV/Range',
      'etcdserverpb.KV/RangeStream',
      'etcdserverpb.KV/Put',
      'etcdserverpb.KV/DeleteRange',
      'etcdserverpb.KV/Txn',
      'etcdserverpb.Watch/Watch',
      'v3lockpb.Lock/Lock',
      'v3electionpb.Election/Campaign',
      'v3electionpb.Election/Leader',
      'v3electionpb.Election/Observe',
    ]);
    expect(cases.length).toBeGreaterThanOrEqual(20);
  });
});
