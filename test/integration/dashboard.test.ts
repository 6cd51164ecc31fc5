/**
 * The dashboard in a real browser, with real tenants behind a real proxy. Skipped, with the reason, on machines on which no
 * Chromium is found or can be installed.
 */
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultsOf, findChromium, launch } from '../support/browser.ts';
import { grpcClient } from '../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { until } from '../support/until.ts';

const chromium = await findChromium();
const installTimeoutMs = 300_000;

/** A namespace may have any text. This one is markup, with a bidi override. */
const hostile = '<img src=x onerror=alert(1)>\u202e/';
const key = Buffer.from('k');
/** The page polls every second or two. Long enough for a busy machine. */
const shownWithinMs = 30_000;

let etcd: Etcd;
let browser: Browser;

beforeAll(async () => {
  if (chromium === null) return;
  etcd = await startEtcd();
  browser = await launch(chromium);
}, installTimeoutMs);

afterAll(async () => {
  await browser?.close();
  await etcd?.[Symbol.asyncDispose]();
});

function start(extra: object = {}, tenants = 2): Promise<ConfiguredProxy> {
  const others = Array.from({ length: tenants - 2 }, (_, index) => ({
    name: `t-${index}`,
    namespace: `t-${index}/`,
  }));
  return startConfigured({
    endpoints: [etcd.address],
    'admin-addr': '127.0.0.1:0',
    tenants: [
      { name: 'lobby', namespace: 'lobby/', 'max-open-watches': 2 },
      { name: 'hostile', namespace: hostile },
      ...others,
    ],
    listeners: [{ address: '127.0.0.1:0', tenant: 'lobby' }],
    ...extra,
  });
}

class Dashboard implements AsyncDisposable {
  readonly page: Page;
  readonly faults: readonly string[];

  private constructor(page: Page) {
    this.page = page;
    this.faults = faultsOf(page);
  }

  static async open(
    proxy: ConfiguredProxy,
    options: { scheme?: 'light' | 'dark'; prepare?: (page: Page) => Promise<unknown> } = {},
  ): Promise<Dashboard> {
    const page = await browser.newPage({
      viewport: { width: 1440, height: 900 },
      colorScheme: options.scheme ?? 'light',
    });
    const dashboard = new Dashboard(page);
    await options.prepare?.(page);
    await page.goto(`http://${proxy.adminAddress}/`);
    await dashboard.shows('#live', 'live');
    return dashboard;
  }

  async shows(selector: string, text: string): Promise<void> {
    await this.page
      .locator(selector, { hasText: text })
      .first()
      .waitFor({ timeout: shownWithinMs });
  }

  row(tenant: string) {
    return this.page.locator('#tenant-table tbody tr', { hasText: tenant });
  }

  /** What axe finds with these rules. */
  async violations(runOnly: readonly string[]): Promise<readonly string[]> {
    const options = JSON.stringify({ runOnly });
    const { violations } = (await this.page.evaluate(`axe.run(document, ${options})`)) as {
      readonly violations: readonly {
        readonly id: string;
        readonly nodes: readonly { readonly html: string }[];
      }[];
    };
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('; ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}

describe.skipIf(chromium === null)('the dashboard', () => {
  test('shows calls, watches and limits of a tenant while they happen', async () => {
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy);
    using client = grpcClient(proxy.addresses[0] ?? '');
    const watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    watch.send({ create_request: { key: Buffer.from('other') } });
    await watch.next();
    let isLoading = true;
    const load = (async () => {
      while (isLoading) await client.call('etcdserverpb.KV/Put', { key, value: key });
    })();
    const cell = async (column: number) =>
      (await dashboard.row('lobby').locator('> *').nth(column).textContent()) ?? '';
    await until('calls per second', async () => Number.parseFloat(await cell(1)) > 0);
    await until('a percentile', async () => (await cell(4)).endsWith(' ms'));
    await until('watches', async () => (await cell(9)) === '2');
    await until('the limit', async () => (await cell(12)) === 'open-watches 100 %');
    isLoading = false;
    await load;
    await dashboard.shows('#phase', 'serving');
    await dashboard.shows('#tiles li', '1 of 1 ready');
    watch[Symbol.dispose]();
    await until('no watches', async () => (await cell(9)) === '0');
    expect(dashboard.faults).toEqual([]);
  });

  test('shows endpoints, certificates and the configuration in their sections', async () => {
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy);
    const { page } = dashboard;
    await page.getByRole('link', { name: 'Cluster' }).click();
    await dashboard.shows('#endpoint-table tbody tr', 'leader');
    await dashboard.shows('#endpoint-table tbody tr', 'ready');
    await dashboard.shows('#certificate-table', 'The proxy presents no certificates.');
    expect(await page.locator('#section-tenants').isVisible()).toBe(false);
    await page.getByRole('link', { name: 'Configuration' }).click();
    await dashboard.shows('#setting-table tbody tr', 'admin-addr');
    await page.locator('#setting-filter').fill('hold');
    expect(await page.locator('#setting-table tbody tr').count()).toBe(1);
    await page.reload();
    await dashboard.shows('nav a[aria-current]', 'Configuration');
    // Advice is offered only if the proxy has it.
    expect(dashboard.faults).toEqual([]);
  });

  test('shows text of tenants as text, with invisible characters as numbers', async () => {
    const advice = {
      tenants: [
        {
          tenant: 'hostile',
          keys: [{ key: '<script>alert(2)</script>\u202e', calls: 7, bytes: 2048 }],
          prefixes: [{ prefix: '"><b>x</b>', calls: 7, bytes: 2048 }],
          findings: [
            {
              ...{ name: 'large-values', subject: '<b>k</b>\u200b', since: '2026-01-01T00:00:00Z' },
              text: 'Store <i>less</i>.',
            },
          ],
        },
      ],
    };
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy, {
      prepare: (page) => page.route('**/advicez', (route) => route.fulfill({ json: advice })),
    });
    const { page } = dashboard;
    await dashboard.shows('#tenant-table', '<img src=x onerror=alert(1)>\\u{202E}/');
    await page.getByRole('link', { name: 'Advice (1)' }).click();
    await dashboard.shows('#key-table', '<script>alert(2)</script>\\u{202E}');
    await dashboard.shows('#prefix-table', '"><b>x</b>');
    await dashboard.shows('#finding-list', '<b>k</b>\\u{200B}');
    await dashboard.shows('#finding-list', 'Store <i>less</i>.');
    await page.getByRole('link', { name: 'Tenants' }).click();
    await page.getByRole('button', { name: 'hostile' }).click();
    await dashboard.shows('#tenant-dialog', '<script>alert(2)</script>\\u{202E}');
    await dashboard.shows('#tenant-dialog .namespace', '\\u{202E}/');
    const markup = await page.evaluate(
      `document.querySelectorAll('main img, main script, main b, main i, dialog img, dialog script').length`,
    );
    expect([markup, dashboard.faults]).toEqual([0, []]);
  });

  test('is accessible in every section, with enough contrast in both themes', async () => {
    await using proxy = await start({ 'admin-actions': true });
    const action = `http://${proxy.adminAddress}/breakers/lobby/write?state=open`;
    await fetch(action, { method: 'POST', headers: { 'content-type': 'application/json' } });
    const rules = {
      light: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
      // Themes differ in their colors only.
      dark: ['color-contrast'],
    };
    for (const scheme of ['light', 'dark'] as const) {
      await using dashboard = await Dashboard.open(proxy, {
        scheme,
        // The policy of the page does not admit scripts of others.
        prepare: (page) => page.addInitScript(axe.source),
      });
      const { page } = dashboard;
      const sections = scheme === 'light' ? ['Cluster', 'Configuration', 'Tenants'] : ['Tenants'];
      for (const section of sections) {
        await page.getByRole('link', { name: section }).click();
        expect(await dashboard.violations(rules[scheme]), `${scheme} ${section}`).toEqual([]);
      }
      await page.getByRole('button', { name: 'lobby' }).click();
      await dashboard.shows('#tenant-dialog', 'open, forced');
      expect(await dashboard.violations(rules[scheme]), `${scheme} dialog`).toEqual([]);
    }
  });

  test('can be used with the keyboard alone', async () => {
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy);
    const { page } = dashboard;
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.locator('#tenant-table thead button').first().focus();
    await page.keyboard.press('Enter');
    const sort = page.locator('#tenant-table thead th').first();
    expect(await sort.getAttribute('aria-sort')).toBe('ascending');
    await page.keyboard.press('Enter');
    expect(await sort.getAttribute('aria-sort')).toBe('descending');
    const opener = page.getByRole('button', { name: 'lobby' });
    await opener.focus();
    await page.keyboard.press('Enter');
    await dashboard.shows('#tenant-dialog[open]', 'Breakers');
    await page.keyboard.press('Escape');
    await page.locator('#tenant-dialog').waitFor({ state: 'hidden' });
    expect(await page.evaluate('document.activeElement.textContent')).toBe('lobby');
  });

  test('follows the theme of the system, unless another one is chosen', async () => {
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy, { scheme: 'dark' });
    const { page } = dashboard;
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await background();
    await page.locator('#theme').selectOption('light');
    const light = await background();
    expect(light).not.toBe(dark);
    await page.reload();
    expect(await background()).toBe(light);
    await page.locator('#theme').selectOption('');
    expect(await background()).toBe(dark);
  });

  test('has no buttons that act unless actions are enabled', async () => {
    await using proxy = await start();
    await using dashboard = await Dashboard.open(proxy);
    await dashboard.page.getByRole('button', { name: 'lobby' }).click();
    await dashboard.shows('#tenant-dialog', 'Breakers');
    expect(await dashboard.page.locator('#tenant-dialog .buttons').count()).toBe(0);
  });

  test('opens and resets a breaker with two clicks each, and the proxy obeys', async () => {
    await using proxy = await start({ 'admin-actions': true });
    await using dashboard = await Dashboard.open(proxy);
    const { page } = dashboard;
    using client = grpcClient(proxy.addresses[0] ?? '');
    const put = () =>
      client.call('etcdserverpb.KV/Put', { key, value: key }).then(
        () => 'put',
        () => 'refused',
      );
    await until('the setting', async () => {
      await page.getByRole('button', { name: 'lobby' }).click();
      const isOffered = (await page.locator('#tenant-dialog .buttons').count()) === 5;
      if (!isOffered) await page.keyboard.press('Escape');
      return isOffered;
    });
    const write = page.locator('.breakers tbody tr', { hasText: 'write' });
    await write.getByText('Open', { exact: true }).click();
    await page.waitForTimeout(200);
    expect(await put()).toBe('put');
    await write.getByText('Confirm').click();
    await dashboard.shows('.breakers tr', 'open, forced');
    expect(await put()).toBe('refused');
    await write.getByText('Reset', { exact: true }).click();
    await write.getByText('Confirm').click();
    await until('the reset', async () => (await put()) === 'put');
    expect(dashboard.faults).toEqual([]);
  });

  test('shows a bounded part of 1,000 tenants, sorts and filters them', async () => {
    await using proxy = await start({}, 1_000);
    await using dashboard = await Dashboard.open(proxy);
    const { page } = dashboard;
    const rows = page.locator('#tenant-table tbody tr');
    await dashboard.shows('#tenant-count', '1,000 of 1,000');
    expect(await rows.count()).toBe(100);
    await dashboard.shows('#tenant-pager', '1 to 100 of 1,000');
    await page.getByRole('button', { name: 'Next' }).click();
    await dashboard.shows('#tenant-pager', '101 to 200 of 1,000');
    await page.locator('#tenant-filter').fill('t-99');
    // t-99 and t-990 to t-997.
    await dashboard.shows('#tenant-count', '9 of 1,000');
    expect(await rows.count()).toBe(9);
    await page.locator('#tenant-kind').selectOption('problems');
    await dashboard.shows('#tenant-table', 'No tenant matches.');
    expect(dashboard.faults).toEqual([]);
  });

  test('requests nothing while it is paused, and shows when the proxy does not respond', async () => {
    const proxy = await start();
    let isStopped = false;
    try {
      await using dashboard = await Dashboard.open(proxy);
      const { page } = dashboard;
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await until('polls', () => requests.length > 2);
      await page.locator('#pause').click();
      await dashboard.shows('#live', 'paused');
      // Requests that were under way when it was paused.
      await page.waitForTimeout(500);
      requests.length = 0;
      await page.waitForTimeout(1_500);
      expect(requests).toEqual([]);
      await page.locator('#pause').click();
      await dashboard.shows('#live', 'live');
      await proxy[Symbol.asyncDispose]();
      isStopped = true;
      await dashboard.shows('#live', 'not reachable');
    } finally {
      if (!isStopped) await proxy[Symbol.asyncDispose]();
    }
  });
});
