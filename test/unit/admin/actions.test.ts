/** POST on the admin address, which is off by default. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Action, ActionResult } from '../../../src/admin/actions.ts';
import { type Admin, startAdmin } from '../../../src/admin/server.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

async function start(result: ActionResult | null = { outcome: 'done', note: '' }) {
  const performed: Action[] = [];
  const logged: Action[] = [];
  const actions = {
    breakers: () => [
      { tenant: 'game', breaker: 'write' as const, state: 'open' as const, isForced: true },
    ],
    perform: (action: Action) => {
      performed.push(action);
      return result ?? { outcome: 'done' as const, note: '' };
    },
    onPerformed: (action: Action) => logged.push(action),
  };
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    lifecycle: new Lifecycle(),
    clock: systemClock,
    version: '1.2.3',
    configuration: () => Promise.reject(new Error('unused')),
    upstream: () => [{ name: 'a:1', state: 'ready', lastError: '', version: '3.4.23' }],
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
  return { performed, logged, request };
}

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
      body: 'there is no such tenant\n',
    });
    expect(await request('/endpoints/x?state=auto')).toMatchObject({
      code: 404,
      body: 'there is no such endpoint\n',
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
    ['with an origin', { 'content-type': 'application/json', origin: 'http://localhost' }, 403],
    ['of a page', { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }, 403],
  ])('%s may come from a web page and is rejected', async (_, headers, code) => {
    const { request, performed } = await start();
    expect((await request('/endpoints/a:1?state=ejected', headers)).code).toBe(code);
    expect(performed).toEqual([]);
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

test('GET lists breakers and endpoints', async () => {
  const { request } = await start();
  const get = async (path: string) => JSON.parse((await request(path, {}, 'GET')).body);
  expect(await get('/breakers')).toEqual({
    breakers: [{ tenant: 'game', breaker: 'write', state: 'open', isForced: true }],
  });
  expect(await get('/endpoints')).toMatchObject({ endpoints: [{ name: 'a:1', state: 'ready' }] });
});
