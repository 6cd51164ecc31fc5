/** POST on the admin address, which is off by default. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { type Action, type ActionResult, readAction } from '../../../src/admin/actions.ts';
import { type Admin, startAdmin } from '../../../src/admin/server.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const jsonType = { 'content-type': 'application/json' };

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

async function start(result: ActionResult | null = { outcome: 'done', note: '' }) {
  const performed: Action[] = [];
  const logged: Action[] = [];
  const refused: string[] = [];
  const actions = {
    breakers: () => [
      { tenant: 'game', breaker: 'write' as const, state: 'open' as const, isForced: true },
    ],
    perform: (action: Action) => {
      performed.push(action);
      return result ?? { outcome: 'done' as const, note: '' };
    },
    onPerformed: (action: Action) => logged.push(action),
    onRefused: (reason: string) => refused.push(reason),
  };
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    lifecycle: new Lifecycle(),
    clock: systemClock,
    version: '1.2.3',
    configuration: () => Promise.reject(new Error('unused')),
    upstream: () => [],
    feeds: () => [],
    tenants: () => [],
    health: async () => ({ isHealthy: true, reason: '' }),
    openCalls: () => ({ unary: 0, waiting: 0, watch: 0, keepalive: 0, stream: 0 }),
    metrics: () => Promise.reject(new Error('unused')),
    ...(result !== null && { actions }),
  });
  open.push(admin);
  const request = async (
    path: string,
    headers: Record<string, string> = { 'content-type': 'application/json' },
    method = 'POST',
  ) => {
    const response = await fetch(`http://${admin.address}${path}`, { method, headers });
    return {
      code: response.status,
      body: await response.text(),
      allow: response.headers.get('allow'),
    };
  };
  return { admin, performed, logged, refused, request };
}

test('a request that is refused is reported with the reason', async () => {
  const { request, performed, refused } = await start();
  await request('/breakers/game/write?state=ajar');
  await request('/breakers/game/write?state=open', { 'content-type': 'text/plain' });
  expect([performed, refused]).toEqual([
    [],
    ['state must be open, closed or auto', 'the content-type must be application/json'],
  ]);
});

describe('an action', () => {
  test.each<[string, Action]>([
    [
      '/breakers/game/write?state=open',
      { kind: 'breaker', tenant: 'game', breaker: 'write', state: 'open' },
    ],
    [
      '/breakers/games.lobby%2F1/read?state=auto',
      { kind: 'breaker', tenant: 'games.lobby/1', breaker: 'read', state: 'auto' },
    ],
    ['/endpoints/a:1?state=ejected', { kind: 'endpoint', endpoint: 'a:1', state: 'ejected' }],
    [
      '/endpoints/https%3A%2F%2Fetcd-1%3A2379?state=auto',
      { kind: 'endpoint', endpoint: 'https://etcd-1:2379', state: 'auto' },
    ],
    [
      '/endpoints/https://etcd-1:2379?state=auto',
      { kind: 'endpoint', endpoint: 'https://etcd-1:2379', state: 'auto' },
    ],
  ])('POST %s is performed, logged and confirmed', async (path, action) => {
    const { request, performed, logged } = await start();
    const { code, body } = await request(path);
    expect([code, JSON.parse(body)]).toEqual([200, action]);
    expect([performed, logged]).toEqual([[action], [action]]);
  });

  test('says what the operator should know', async () => {
    const { request } = await start({ outcome: 'done', note: 'it is the last one' });
    const { body } = await request('/endpoints/a:1?state=ejected');
    expect(JSON.parse(body)).toMatchObject({ note: 'it is the last one' });
  });

  test('on something that does not exist is not found, and not logged', async () => {
    const { request, logged } = await start({ outcome: 'not found', note: '' });
    expect(await request('/breakers/x/read?state=open')).toMatchObject({
      code: 404,
      body: 'the tenant does not exist\n',
    });
    expect(await request('/endpoints/x?state=auto')).toMatchObject({
      code: 404,
      body: 'the endpoint does not exist\n',
    });
    expect(logged).toEqual([]);
  });

  test.each([
    ['/breakers/game/write', 400, 'state must be open, closed or auto'],
    ['/breakers/game/write?state=half-open', 400, 'state must be open, closed or auto'],
    ['/breakers/game/other?state=open', 404, 'the path must be'],
    ['/breakers/game?state=open', 404, 'the path must be'],
    ['/breakers/%ff/write?state=open', 400, 'percent-encoded'],
    ['/endpoints/?state=auto', 404, 'the path must be'],
    ['/endpoints/a:1?state=open', 400, 'state must be ejected or auto'],
  ])('POST %s is rejected with %d', async (path, code, text) => {
    const { request, performed } = await start();
    const response = await request(path);
    expect(response).toMatchObject({ code, body: expect.stringContaining(text) });
    expect(performed).toEqual([]);
  });

  test.each<[string, Record<string, string>, number]>([
    ['without a content type', {}, 415],
    ['as a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['as text', { 'content-type': 'text/plain' }, 415],
    ['with the origin of another port', { ...jsonType, origin: 'http://127.0.0.1' }, 403],
    ['of a page without an origin', { ...jsonType, 'sec-fetch-site': 'same-origin' }, 403],
    ['of a page without a known origin', { ...jsonType, origin: 'null' }, 403],
  ])('%s may come from a web page and is rejected', async (_, headers, code) => {
    const { request, performed } = await start();
    expect((await request('/endpoints/a:1?state=ejected', headers)).code).toBe(code);
    expect(performed).toEqual([]);
  });

  describe('of a web page', () => {
    /** A POST as a browser sends it. `:port` in the origin becomes that of the server. */
    const post = async (origin: string, host: string, site: string | null) => {
      const { admin, performed } = await start();
      const port = admin.address.split(':')[1] ?? '';
      const headers = {
        ...{ ...jsonType, origin: origin.replace(':port', `:${port}`), host: `${host}:${port}` },
        ...(site !== null && { 'sec-fetch-site': site }),
      };
      const path = '/breakers/game/write?state=open';
      const options = { host: '127.0.0.1', port, path, method: 'POST', headers, agent: false };
      const [response] = (await once(httpRequest(options).end(), 'response')) as [IncomingMessage];
      response.resume();
      return { code: response.statusCode, performed: performed.length };
    };

    test.each([
      ['http', '127.0.0.1', 'same-origin'],
      ['http', 'localhost', 'same-origin'],
      ['http', '[::1]', 'same-origin'],
      ['https', 'localhost', 'same-origin'],
      ['http', 'localhost', null],
    ] as const)('that is the dashboard at %s://%s is performed', async (scheme, host, site) => {
      const origin = `${scheme}://${host}:port`;
      expect(await post(origin, host, site)).toEqual({ code: 200, performed: 1 });
    });

    test.each([
      ['http://evil.example', 'cross-site', '127.0.0.1'],
      ['http://localhost:3000', 'same-site', 'localhost'],
      ['http://localhost:3000', null, 'localhost'],
      ['http://localhost:3000', 'same-origin', 'localhost'],
    ])('at %s is rejected', async (origin, site, host) => {
      expect(await post(origin, host, site)).toEqual({ code: 403, performed: 0 });
    });
  });

  test('of a page at a host name is rejected, because the name may be rebound to this address', async () => {
    const request = {
      headers: {
        ...{ ...jsonType, host: 'evil.example:2381', origin: 'http://evil.example:2381' },
        'sec-fetch-site': 'same-origin',
      },
    } as unknown as IncomingMessage;
    const query = new URLSearchParams('state=open');
    const rejection = readAction(request, '/breakers/game/write', query);
    expect(rejection).toMatchObject({ code: 403, text: expect.stringContaining('IP address') });
    const atAddress = {
      headers: {
        ...{ ...jsonType, host: '10.0.0.7:2381', origin: 'http://10.0.0.7:2381' },
        'sec-fetch-site': 'same-origin',
      },
    } as unknown as IncomingMessage;
    expect(readAction(atAddress, '/breakers/game/write', query)).toMatchObject({ kind: 'breaker' });
  });

  test('must be a POST', async () => {
    const { request, performed } = await start();
    const response = await request('/endpoints/a:1?state=ejected', {}, 'GET');
    expect(response).toMatchObject({ code: 405, allow: 'POST' });
    expect(performed).toEqual([]);
  });

  test('is not found unless actions are enabled', async () => {
    const { request } = await start(null);
    for (const path of ['/breakers/game/write?state=open', '/endpoints/a:1?state=ejected']) {
      expect(await request(path)).toMatchObject({
        code: 404,
        body: 'actions are disabled: see --admin-actions\n',
      });
    }
  });
});

test('GET lists breakers', async () => {
  const { request } = await start();
  const get = async (path: string) => JSON.parse((await request(path, {}, 'GET')).body);
  expect(await get('/breakers')).toEqual({
    breakers: [{ tenant: 'game', breaker: 'write', state: 'open', isForced: true }],
  });
});
