/** The dashboard as files: what the admin address serves, and the parts of the page that need no browser. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import * as format from '../../../src/admin/dashboard/format.js';
import * as rates from '../../../src/admin/dashboard/rates.js';
import { type Admin, startAdmin } from '../../../src/admin/server.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const folder = new URL('../../../src/admin/dashboard/', import.meta.url);
const names = readdirSync(folder);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

async function start() {
  const unused = () => Promise.reject(new Error('unused'));
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    ...{ lifecycle: new Lifecycle(), clock: systemClock, version: '1.2.3' },
    ...{ configuration: unused, upstream: unused, feeds: unused, tenants: unused },
    ...{ openCalls: unused, health: unused, metrics: unused },
  });
  open.push(admin);
  return (path: string, init: RequestInit = {}) =>
    fetch(`http://${admin.address}${path}`, { redirect: 'manual', ...init });
}

describe('the files of the dashboard', () => {
  test('are at most 100 KB in total', () => {
    const sizes = names.map((name) => statSync(new URL(name, folder)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(100_000);
  });

  test('are all served, with a policy that permits only this server', async () => {
    const get = await start();
    for (const name of names) {
      const response = await get(`/dashboard/${name === 'index.html' ? '' : name}`);
      expect(response.status, name).toBe(200);
      expect(await response.text()).toBe(read(name));
      const policy = response.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|http|\*|data:/);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const page = await get('/dashboard/');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const script = await get('/dashboard/main.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  });

  test('load nothing from other hosts, and have no inline script or style', () => {
    for (const name of names) {
      const links = read(name).match(/(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}[^\s'"]*/g) ?? [];
      // The name of a namespace of XML is not loaded.
      expect(
        links.filter((link) => !link.includes('www.w3.org')),
        name,
      ).toEqual([]);
    }
    const page = read('index.html');
    expect(page).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=/);
  });

  test('never set markup from text', () => {
    for (const name of names.filter((each) => each.endsWith('.js'))) {
      expect(read(name), name).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function/,
      );
    }
  });

  test('are found from the root, by relative redirects', async () => {
    const get = await start();
    for (const path of ['/', '/dashboard']) {
      const response = await get(path);
      expect([response.status, response.headers.get('location')]).toEqual([302, 'dashboard/']);
    }
  });

  test.each([
    '/dashboard/x.js',
    '/dashboard/../server.ts',
    '/dashboard/%2e%2e/server.ts',
    '/dashboard/..%2fserver.ts',
    '/dashboard//etc/passwd',
    '/dashboard/index.html/',
    '/dashboard/main.js%00',
  ])('do not include %s', async (path) => {
    const get = await start();
    expect((await get(path)).status).toBe(404);
  });

  test('have no body for HEAD and accept no POST', async () => {
    const get = await start();
    const head = await get('/dashboard/', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await get('/dashboard/', { method: 'POST' })).status).toBe(405);
  });
});

describe('text of tenants', () => {
  test.each([
    ['bidi override', 'a\u202eb', 'a\\u{202E}b'],
    ['isolate', 'a\u2066b', 'a\\u{2066}b'],
    ['zero width', 'a\u200bb\ufeff', 'a\\u{200B}b\\u{FEFF}'],
    ['soft hyphen', 'a\u00adb', 'a\\u{AD}b'],
    ['control', 'a\0b\n\u007f\u0085', 'a\\u{0}b\\u{A}\\u{7F}\\u{85}'],
    ['lone surrogate', 'a\ud800', 'a\\u{D800}'],
    ['other spaces', 'a\u00a0b\u3000', 'a\\u{A0}b\\u{3000}'],
    ['fillers', 'a\u3164\u034f\ufe0f', 'a\\u{3164}\\u{34F}\\u{FE0F}'],
    ['tags', 'a\u{e0041}', 'a\\u{E0041}'],
    ['line separator', 'a\u2028b', 'a\\u{2028}b'],
  ])('shows a %s character as its number', (_, text, shown) => {
    expect(format.visible(text)).toBe(shown);
  });

  test('is unchanged if it is printable', () => {
    const text = `<script>alert("1")</script> & 'ü' 日本 🚀 a b`;
    expect(format.visible(text)).toBe(text);
  });
});

test('numbers are short', () => {
  expect([0, 0.04, 9.99, 99.96, 1_234.5].map(format.rate)).toEqual([
    '0',
    '0',
    '10',
    '100',
    '1,235',
  ]);
  expect([0, 1_023, 1_536, 200 * 1024, 5 * 2 ** 40].map(format.bytes)).toEqual([
    ...['0 B', '1,023 B', '1.5 KiB', '200 KiB', '5 TiB'],
  ]);
  expect([0.123, 1.26, 456.7, 12_345].map(format.ms)).toEqual([
    '0.12 ms',
    '1.3 ms',
    '457 ms',
    '12.3 s',
  ]);
  expect([999, 61_000, 90 * 60_000, 3 * 86_400_000].map(format.span)).toEqual([
    ...['1 second', '1 minute', '1 hour', '3 days'],
  ]);
  expect([format.rate(null), format.bytes(null), format.ms(null), format.count(null)]).toEqual([
    ...['–', '–', '–', '–'],
  ]);
});

describe('rates', () => {
  type Report = rates.Report;
  const report = (parts: Partial<Report>): Report => ({
    ...{ tenant: 'a', namespace: 'a/', calls: 0, errors: 0, refused: 0, requestBytes: 0 },
    ...{ responseBytes: 0, openCalls: 0, streams: 0, watches: 0, feeds: 0, leases: 0 },
    ...{ breakers: [], limits: [], p50Ms: null, p99Ms: null, ...parts },
  });
  const at = (seconds: number, ...tenants: Report[]) => ({
    now: new Date(1_700_000_000_000 + seconds * 1_000).toISOString(),
    tenants,
  });

  test('are unknown with the first reading, and per second afterwards', () => {
    const series = new rates.Rates();
    const [first] = series.update(at(0, report({ calls: 100, requestBytes: 10 })));
    expect(first).toMatchObject({ calls: null, errors: null, requestBytes: null });
    const [second] = series.update(at(2, report({ calls: 110, errors: 4, requestBytes: 2_010 })));
    expect(second).toMatchObject({ calls: 5, errors: 2, requestBytes: 1_000, responseBytes: 0 });
    expect(second?.history.at(-1)).toBe(5);
  });

  test('begin again when a count has fallen', () => {
    const series = new rates.Rates();
    series.update(at(0, report({ calls: 100, errors: 50 })));
    const [row] = series.update(at(1, report({ calls: 3, errors: 1 })));
    expect(row).toMatchObject({ calls: 3, errors: 1 });
  });

  test('are unknown when the clock of the server was set back', () => {
    const series = new rates.Rates();
    series.update(at(10, report({ calls: 1 })));
    expect(series.update(at(5, report({ calls: 2 })))[0]).toMatchObject({ calls: null });
    expect(series.update(at(6, report({ calls: 4 })))[0]).toMatchObject({ calls: 2 });
  });

  test('forget tenants that do not exist any more', () => {
    const series = new rates.Rates();
    series.update(at(0, report({}), report({ tenant: 'b' })));
    series.update(at(1, report({ tenant: 'b' })));
    expect(series.of('a')).toBeNull();
    expect(series.of('b')).not.toBeNull();
  });

  test('show a problem: errors, a breaker, a limit that is nearly full or that refuses', () => {
    const problem = (before: Partial<Report>, now: Partial<Report>) => {
      const series = new rates.Rates();
      series.update(at(0, report(before)));
      return series.update(at(1, report(now))).map(rates.hasProblem)[0];
    };
    const limit = (used: number, refused: number) => ({
      limits: [{ name: 'max-open-calls', used, limit: 10, refused }],
    });
    expect(problem({}, { calls: 5 })).toBe(false);
    expect(problem({ errors: 1 }, { calls: 5, errors: 2 })).toBe(true);
    expect(problem({}, { breakers: [{ class: 'read', state: 'open', forced: false }] })).toBe(true);
    expect(problem({}, limit(7, 0))).toBe(false);
    expect(problem({}, limit(8, 0))).toBe(true);
    expect(problem(limit(0, 3), limit(0, 3))).toBe(false);
    expect(problem(limit(0, 3), limit(0, 4))).toBe(true);
  });
});
