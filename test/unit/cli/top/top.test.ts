import { describe, expect, test } from 'vitest';
import { readTopOptions } from '../../../../src/cli/top/options.ts';
import { type Pages, viewOf } from '../../../../src/cli/top/reading.ts';
import { safe } from '../../../../src/cli/top/safe-text.ts';
import { type ScreenOptions, screenLines } from '../../../../src/cli/top/screen.ts';
import { nextSortKey, sorted, sortKeys } from '../../../../src/cli/top/sorting.ts';

/** What a client could put into a key, a program into an error text, or an operator into a name. */
const hostile = '\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\u0000\ud800 é 漢\x7f';

const row = (tenant: string, figures: Record<string, unknown> = {}) => ({
  ...{ tenant, namespace: `${tenant}/`, calls: 0, errors: 0, requestBytes: 0, responseBytes: 0 },
  ...{ p50Ms: null, p99Ms: null, openCalls: 0, streams: 0, watches: 0, feeds: 0, leases: null },
  breakers: [],
  ...figures,
});

function pages(atMs: number, tenants: readonly object[], others: Partial<Pages> = {}): Pages {
  return {
    atMs,
    tenants: { now: '2026-01-01T00:00:00.000Z', tenants },
    advice: null,
    upstream: { endpoints: [] },
    breakers: null,
    ...others,
  };
}

const options: ScreenOptions = {
  columns: 120,
  rows: 40,
  hasColours: false,
  sort: 'calls',
  isReversed: false,
  addressText: '127.0.0.1:2381',
  failure: '',
};

describe('rates', () => {
  const first = pages(1_000, [row('a', { calls: 100, errors: 5, requestBytes: 10 })]);
  const second = pages(3_000, [
    row('a', { calls: 140, errors: 6, requestBytes: 1_010, responseBytes: 1_000 }),
    row('new', { calls: 7 }),
  ]);

  test('come from two readings', () => {
    const [a, added] = viewOf(second, first).tenants;
    expect(a).toMatchObject({ callsPerSecond: 20, errorsPerSecond: 0.5, bytesPerSecond: 1_000 });
    expect(added).toMatchObject({ callsPerSecond: null });
  });

  test('are unknown in the first reading, and after a restart of the proxy', () => {
    expect(viewOf(first, null).tenants[0]?.callsPerSecond).toBeNull();
    const restarted = pages(5_000, [row('a', { calls: 3 })]);
    expect(viewOf(restarted, second).tenants[0]?.callsPerSecond).toBeNull();
  });
});

test('keys of all tenants are ordered by their rate, and breakers of both pages are shown once', () => {
  const key = (name: string, calls: number) => ({ key: name, calls, bytes: 0 });
  const view = viewOf(
    pages(0, [row('a', { breakers: [{ class: 'write', state: 'open', forced: true }] })], {
      advice: {
        tenants: [
          { tenant: 'a', seconds: 100, keys: [key('slow', 500)], findings: [] },
          { tenant: 'b', seconds: 10, keys: [key('fast', 400)], findings: [] },
        ],
      },
      breakers: { breakers: [{ tenant: 'a', breaker: 'write', state: 'open', isForced: true }] },
    }),
    null,
  );
  expect(view.keys.map(({ key: name, callsPerSecond }) => [name, callsPerSecond])).toEqual([
    ['fast', 40],
    ['slow', 5],
  ]);
  expect(view.tenants[0]?.breakers).toEqual(['write open (forced)']);
});

describe('hostile texts', () => {
  test('are escaped', () => {
    expect(safe(hostile)).toMatch(/^[\x20-\x7e]*$/);
    expect(safe('\x1b[2J é')).toBe('\\u{1b}[2J \\u{e9}');
    expect(safe('x'.repeat(100_000))).toHaveLength(1_000);
  });

  test('reach no line of the screen, wherever they are in the pages', () => {
    const finding = { name: hostile, subject: hostile, since: hostile, text: hostile };
    const view = viewOf(
      pages(0, [row(hostile, { breakers: [{ class: hostile, state: hostile }] })], {
        advice: {
          tenants: [
            {
              tenant: hostile,
              seconds: 1,
              keys: [{ key: hostile, calls: 1, bytes: 1 }],
              findings: [finding],
            },
          ],
        },
        upstream: {
          endpoints: [{ name: hostile, state: hostile, version: hostile, lastError: hostile }],
        },
      }),
      null,
    );
    const lines = screenLines(view, options);
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) expect(line).toMatch(/^[\x20-\x7e…]*$/);
  });

  test.each([
    null,
    'text',
    [],
    { tenants: 'none' },
    { tenants: [null, 3, { tenant: 5, calls: 'x', p50Ms: Number.NaN, breakers: {} }] },
  ])('pages of another form (%j) are read as far as possible', (page) => {
    const wrong = { tenants: page, advice: page, upstream: page, breakers: page };
    const view = viewOf({ atMs: 1, ...wrong }, { atMs: 0, ...wrong });
    expect(() => screenLines(view, options)).not.toThrow();
  });
});

describe('the screen', () => {
  const many = viewOf(
    pages(
      0,
      Array.from({ length: 500 }, (_, i) => row(`tenant-${i}`)),
    ),
    null,
  );

  test('fits into the terminal, and says how many tenants do not', () => {
    const lines = screenLines(many, { ...options, columns: 60, rows: 24 });
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
    expect(lines.join('\n')).toMatch(/… \d+ more tenants/);
    expect(screenLines(many, { ...options, rows: 1 })).toHaveLength(1);
    expect(screenLines(many, { ...options, rows: Infinity }).length).toBeGreaterThan(500);
  });

  test('has colours only if the terminal has', () => {
    const view = viewOf(
      pages(0, [row('a', { breakers: [{ class: 'read', state: 'open' }] })]),
      null,
    );
    expect(screenLines(view, options).join('')).not.toContain('\x1b');
    expect(screenLines(view, { ...options, hasColours: true }).join('')).toContain('\x1b[31m');
  });

  test('shows why a reading failed, beside the last one', () => {
    const lines = screenLines(many, { ...options, failure: 'connect ECONNREFUSED' });
    expect(lines[1]).toBe('cannot read 127.0.0.1:2381: connect ECONNREFUSED; trying again');
    expect(screenLines(null, { ...options, failure: 'x' })).toHaveLength(2);
  });
});

test('tenants are ordered by each key, in both directions', () => {
  const tenants = viewOf(
    pages(1_000, [
      row('a', { calls: 2, watches: 1 }),
      row('b', { calls: 9 }),
      row('c', { calls: 9 }),
    ]),
    pages(0, [row('a'), row('b'), row('c')]),
  ).tenants;
  const names = (key: (typeof sortKeys)[number], isReversed = false) =>
    sorted(tenants, key, isReversed)
      .map(({ tenant }) => tenant)
      .join('');
  expect([names('calls'), names('calls', true), names('watches'), names('name')]).toEqual([
    ...['bca', 'acb', 'abc', 'abc'],
  ]);
  expect(sortKeys.map(nextSortKey)).toEqual([...sortKeys.slice(1), sortKeys[0]]);
});

describe('the flags', () => {
  const read = (args: string[], environment = {}) => readTopOptions({ args, environment });

  test('have defaults', () => {
    expect(read([])).toEqual({
      address: { host: '127.0.0.1', port: 2381 },
      addressText: '127.0.0.1:2381',
      intervalMs: 2_000,
      sort: 'calls',
      isOnce: false,
      isJson: false,
    });
    expect(read(['--help'])).toBe('help');
  });

  test.each([
    [['--admin-addr=unix:///run/admin.sock'], {}, { path: '/run/admin.sock' }],
    [['--admin-addr=http://10.0.0.1:9000/'], {}, { host: '10.0.0.1', port: 9_000 }],
    [[], { ETCD_BULKHEAD_ADMIN_ADDR: ':2399' }, { host: 'localhost', port: 2_399 }],
  ])('%j name an address', (args, environment, address) => {
    expect(read(args, environment)).toMatchObject({ address });
  });

  test.each([
    [['--admin-addr=nowhere'], '--admin-addr must be an address'],
    [['--admin-addr='], '--admin-addr must not be empty'],
    [['--interval=1ms'], '--interval must be at least'],
    [['--sort=size'], '--sort must be one of'],
    [['--json'], '--json requires --once'],
    [['--unknown'], '--unknown: unknown flag'],
  ])('%j are rejected', (args, problem) => {
    expect(read(args)).toEqual([expect.stringContaining(problem)]);
  });
});
