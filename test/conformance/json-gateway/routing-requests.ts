/** Paths, verbs and headers. */
import { paths } from '../../../src/gateway/json/routes.ts';
import type { JsonRequest } from './exchange.ts';

const ranged = '{"key":"YQ=="}';

/** An invalid body is refused before the method is called, so these are safe for every method. */
const everyPath: readonly JsonRequest[] = paths
  .filter((path) => !['/v3/watch', '/v3/lease/keepalive'].includes(path))
  .flatMap((path) => [
    { name: `${path}: a body that ends early`, path, body: '{"header":' },
    { name: `${path}: an array`, path, body: '[1]' },
    { name: `${path}: GET`, path, body: '', verb: 'GET' },
  ]);

const otherPaths: readonly JsonRequest[] = [
  '/',
  '/v2/keys',
  '/v3',
  '/v3/',
  '/v3/kv',
  '/v3/kv/',
  '/v3/kv/nothing',
  '/v3/kv/range/',
  '/v3/kv/range:verb',
  '/v3/kv/:verb',
  '/v3/kv/Range',
  '/v3/kv/%72ange',
  '/v3/kv/range?pretty=1',
  '/v3/kv%2Frange',
  '/v3beta/kv/range',
  '/v3beta/kv/nothing',
  '/v3beta',
  '/v3beta/',
  '/v3alpha/kv/range',
  '/v3/etcdserverpb.KV/Range',
  '/etcdserverpb.KV/Range',
  '/v3/kv//range',
  '//v3/kv/range',
  '/v3/./kv/range',
  '/v3/x/../kv/range',
  '/v3/kv/rangestream',
  '/nothing',
].map((path) => ({ name: `path ${path}`, path, body: ranged }));

const verbs: readonly JsonRequest[] = [
  ...['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'].flatMap((verb) => [
    { name: `${verb} of a method`, path: '/v3/kv/range', body: '', verb },
    { name: `${verb} of an unknown path`, path: '/v3/nothing', body: '', verb },
  ]),
  { name: 'OPTIONS of another path', path: '/nothing', body: '', verb: 'OPTIONS' },
  { name: 'POST of a page', path: '/version', body: '' },
];

const json = { path: '/v3/kv/range', body: ranged };

const headers: readonly JsonRequest[] = [
  ...[
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/grpc',
    'application/xml',
    'nonsense',
    ';',
  ].map((type) => ({ ...json, name: `type ${type}`, headers: { 'content-type': type } })),
  ...['application/json', 'text/html', '*/*', 'application/xml'].map((type) => ({
    ...json,
    name: `accepting ${type}`,
    headers: { accept: type },
  })),
  ...['5S', '100m', '1H', '9000000u', '5', 'S', '5s', 'x', '1.5S', '-1S', '0S', '+5S', '9S9S'].map(
    (timeout) => ({ ...json, name: `timeout ${timeout}`, headers: { 'grpc-timeout': timeout } }),
  ),
  ...['https://pages.example', 'null', 'http://localhost'].map((origin) => ({
    ...json,
    name: `origin ${origin}`,
    headers: { origin },
  })),
  { ...json, name: 'a leader is required', headers: { 'grpc-metadata-hasleader': 'true' } },
  { ...json, name: 'unknown metadata', headers: { 'grpc-metadata-x-y': 'z' } },
  { ...json, name: 'trailers accepted', headers: { te: 'trailers' } },
  { ...json, name: 'a cookie', headers: { cookie: 'a=b' } },
  {
    ...json,
    name: 'a verb in a header, with a form',
    headers: {
      'x-http-method-override': 'get',
      'content-type': 'application/x-www-form-urlencoded',
    },
  },
  {
    ...json,
    name: 'a verb in a header, with JSON',
    headers: { 'x-http-method-override': 'GET', 'content-type': 'application/json' },
  },
];

export const routingRequests: readonly JsonRequest[] = [
  ...everyPath,
  ...otherPaths,
  ...verbs,
  ...headers,
];
