/**
 * The shapes of requests of known clients: which members they send, in which form, with which headers.
 *
 * lua-resty-etcd (APISIX): https://github.com/api7/lua-resty-etcd/blob/master/lib/resty/etcd/v3.lua. It sends every member, also
 * those with default values, and bodies that are empty.
 * Patroni: https://github.com/patroni/patroni/blob/master/patroni/dcs/etcd3.py
 * etcd3gw: https://opendev.org/openstack/etcd3gw
 */
import type { JsonRequest } from './exchange.ts';

const b64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');
const json = { 'content-type': 'application/json' };

function shape(
  client: string,
  path: string,
  body: object | null,
  headers: Readonly<Record<string, string>> = {},
): JsonRequest {
  const text = body === null ? '' : JSON.stringify(body);
  return { name: `${client}: ${path} ${text}`, path: `/v3/${path}`, body: text, headers };
}

const lua = (path: string, body: object | null) => shape('lua-resty-etcd', path, body);
const patroni = (path: string, body: object) => shape('Patroni', path, body, json);
const etcd3gw = (path: string, body: object) => shape('etcd3gw', path, body, json);

const apisix = b64('/apisix/routes/1');
const ranged = {
  limit: 0,
  revision: 0,
  sort_order: 0,
  sort_target: 0,
  serializable: false,
  keys_only: false,
  count_only: false,
  min_mod_revision: 0,
  max_mod_revision: 0,
  min_create_revision: 0,
  max_create_revision: 0,
};
const written = { lease: 0, prev_kv: false, ignore_value: false, ignore_lease: false };
const leader = b64('/service/demo/leader');

export const clientRequests: readonly JsonRequest[] = [
  lua('kv/put', { key: apisix, value: b64('{"uri":"/a"}'), ...written }),
  lua('kv/put', { key: apisix, value: b64('{"uri":"/b"}'), ...written, prev_kv: true }),
  lua('kv/range', { key: apisix, ...ranged }),
  lua('kv/range', { key: b64('/apisix/'), range_end: b64('/apisix0'), ...ranged }),
  lua('kv/range', { key: b64('/apisix/none'), ...ranged }),
  lua('kv/txn', {
    compare: [{ key: apisix, target: 'CREATE', result: 'EQUAL', createRevision: 0 }],
    success: [{ requestPut: { key: apisix, value: b64('x') } }],
    failure: [{ requestRange: { key: apisix } }],
  }),
  lua('lease/grant', { TTL: 60, ID: 6001 }),
  lua('kv/lease/timetolive', { ID: '6001', keys: false }),
  lua('kv/lease/timetolive', { ID: '6001', keys: true }),
  lua('lease/keepalive', { ID: '6001' }),
  lua('lease/leases', null),
  lua('kv/lease/revoke', { ID: '6001' }),
  lua('kv/deleterange', { key: apisix, prev_kv: true }),
  lua('kv/deleterange', { key: b64('/apisix/'), range_end: b64('/apisix0') }),
  {
    ...lua('watch', {
      create_request: {
        key: b64('/apisix/'),
        range_end: b64('/apisix0'),
        prev_kv: true,
        start_revision: 2,
      },
    }),
    lines: 1,
  },
  lua('auth/authenticate', { name: 'root', password: 'abc' }),

  patroni('lease/grant', { TTL: 30, ID: 6002 }),
  patroni('kv/txn', {
    compare: [{ key: leader, target: 'CREATE', create_revision: '0' }],
    success: [{ request_put: { key: leader, value: b64('one'), lease: '6002' } }],
  }),
  patroni('kv/txn', {
    compare: [{ key: leader, target: 'CREATE', create_revision: '0' }],
    success: [{ request_put: { key: leader, value: b64('two'), lease: '6002' } }],
  }),
  patroni('kv/range', {
    key: b64('/service/demo/'),
    range_end: b64('/service/demo0'),
    serializable: true,
  }),
  patroni('kv/txn', {
    compare: [{ key: leader, target: 'LEASE', lease: '6002' }],
    success: [{ request_delete_range: { key: leader } }],
  }),
  patroni('kv/txn', {
    compare: [{ key: leader, target: 'VALUE', value: b64('one') }],
    success: [{ request_put: { key: leader, value: b64('one'), lease: '6002' } }],
    failure: [
      {
        request_txn: {
          compare: [{ key: leader, target: 'CREATE', create_revision: '0' }],
          success: [{ request_put: { key: leader, value: b64('one'), lease: '6002' } }],
        },
      },
    ],
  }),
  patroni('lease/keepalive', { ID: '6002' }),
  patroni('kv/put', { key: leader, value: b64('one'), lease: '9999' }),
  {
    ...patroni('watch', {
      create_request: {
        key: b64('/service/demo/'),
        range_end: b64('/service/demo0'),
        start_revision: '2',
        filters: [],
      },
    }),
    lines: 1,
  },

  etcd3gw('kv/put', { key: b64('gw'), value: b64('1') }),
  etcd3gw('kv/range', { key: b64('gw'), sort_target: 'KEY', sort_order: 'NONE' }),
  etcd3gw('kv/range', {
    key: b64('\0'),
    range_end: b64('\0'),
    sort_target: 'MOD',
    sort_order: 'DESCEND',
  }),
  etcd3gw('kv/txn', {
    compare: [{ key: b64('gw'), result: 'EQUAL', target: 'CREATE', create_revision: 0 }],
    success: [{ request_put: { key: b64('gw'), value: b64('2') } }],
    failure: [{ request_range: { key: b64('gw') } }],
  }),
  etcd3gw('kv/deleterange', { key: b64('gw') }),
  etcd3gw('kv/lease/timetolive', { ID: 6002, keys: true }),
  etcd3gw('kv/lease/revoke', { ID: 6002 }),
  { ...etcd3gw('watch', { create_request: { key: b64('gw') } }), lines: 1 },
];
