/** Methods that stream. */
import type { JsonRequest } from './exchange.ts';

const all = '"key":"AA==","range_end":"AA=="';

/** Without `lines` etcd 3.6 and later do not respond. */
const watch = (name: string, body: string, lines?: number): JsonRequest => ({
  name: `watch: ${name}`,
  path: '/v3/watch',
  body,
  ...(lines === undefined ? { mayHang: true } : { lines }),
});

const keepAlive = (name: string, body: string): JsonRequest => ({
  name: `keepalive: ${name}`,
  path: '/v3/lease/keepalive',
  body,
});

export const streamRequests: readonly JsonRequest[] = [
  watch('created', `{"create_request":{${all}}}`, 1),
  watch('with a watch ID', `{"create_request":{${all},"watch_id":"7"}}`, 1),
  watch('two creates', `{"create_request":{${all}}}\n{"createRequest":{"key":"YQ=="}}`, 2),
  watch('two creates without a line break', `{"create_request":{}}{"create_request":{}}`, 2),
  watch('the past', `{"create_request":{"key":"YQ==","start_revision":"2"}}`, 2),
  watch(
    'previous values',
    `{"create_request":{"key":"YQ==","start_revision":2,"prev_kv":true}}`,
    2,
  ),
  watch('filters', `{"create_request":{"key":"YQ==","start_revision":2,"filters":["NOPUT"]}}`, 2),
  watch('an unknown filter', `{"create_request":{"key":"YQ==","filters":["NOPE"]}}`, 1),
  watch(
    'created and cancelled',
    `{"create_request":{${all}}} {"cancel_request":{"watch_id":0}}`,
    2,
  ),
  watch('an invalid range', `{"create_request":{"key":"Yg==","range_end":"YQ=="}}`, 1),
  watch('a value that is not a message after a create', `{"create_request":{${all}}}\n5`, 1),
  watch('no JSON after a create', `{"create_request":{${all}}}\nx`, 1),
  watch('no message', '5'),
  watch('no JSON', 'x'),
  watch('a field of the wrong type', '{"create_request":{"key":5}}'),
  watch('an unfinished message', '{"create_request":{'),
  keepAlive('an unknown lease', '{"ID":"77"}'),
  keepAlive('two unknown leases', '{"ID":"77"}\n{"ID":78}'),
  keepAlive('no message', ''),
  keepAlive('an invalid message', '{"ID":"x"}'),
  keepAlive('an invalid message after a valid one', '{"ID":"77"}{"ID":"x"}'),
  keepAlive('null', 'null'),
  keepAlive('a form', '{"ID":"77"}garbage'),
  { name: 'observe: invalid', path: '/v3/election/observe', body: '{"name":5}' },
];
