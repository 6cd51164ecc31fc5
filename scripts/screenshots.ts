/**
 * `npm run docs:screenshots`: the screenshots of docs/dashboard.md, of a real proxy in front of a real cluster of three members
 * with a generated load. It takes about a minute and needs etcd and Chromium.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { findChromium, launch } from '../test/support/browser.ts';
import { CertificateAuthority } from '../test/support/certificates.ts';
import { type GrpcClient, grpcClient } from '../test/support/client.ts';
import { startCluster } from '../test/support/cluster.ts';
import { startConfigured } from '../test/support/configured.ts';

const folder = fileURLToPath(new URL('../docs/dashboard/', import.meta.url));
const historyMs = 30_000;
const tickMs = 100;

const tenants = [
  ...['lobby', 'matchmaking', 'inventory', 'leaderboard', 'chat', 'payments', 'sessions', 'stats'],
  ...Array.from({ length: 24 }, (_, index) => `game-${String(index + 1).padStart(2, '0')}`),
];

/** Puts and reads at a rate that changes over time, a few watches and a few leases. */
class Load {
  #isRunning = true;
  readonly #loops: readonly Promise<void>[];

  constructor(clients: readonly GrpcClient[]) {
    this.#loops = clients.map((client, index) => this.#run(client, index));
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }

  async #run(client: GrpcClient, index: number): Promise<void> {
    for (let i = 0; i < (index * 5) % 9; i++) {
      const watch = client.stream('etcdserverpb.Watch/Watch');
      watch.send({ create_request: { key: Buffer.from(`k${i % 3}`) } });
    }
    const keepAlives = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
    const leases = Array.from({ length: (index * 7) % 12 }, (_, i) => String(i + 1));
    for (const ID of leases) await client.call('etcdserverpb.Lease/LeaseGrant', { ID, TTL: 60 });
    for (let tick = 0; this.#isRunning; tick++) {
      if (tick % 50 === 0) for (const ID of leases) keepAlives.send({ ID });
      const calls = Math.round((14 / (index + 1)) * (1.4 + Math.sin(tick / 30 + index)));
      for (let i = 0; i < calls; i++) {
        const key = Buffer.from(`k${(tick + i) % 7}`);
        const value = Buffer.alloc(100 + 60 * index);
        const call =
          i % 3 === 0
            ? client.call('etcdserverpb.KV/Put', { key, value })
            : client.call('etcdserverpb.KV/Range', { key });
        call.catch(() => {});
      }
      await sleep(tickMs);
    }
  }
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.screenshot({ path: `${folder}${name}.png` });
}

const chromium = await findChromium();
if (chromium === null) process.exit(1);
await using cluster = await startCluster(3);
using authority = new CertificateAuthority();
const { certificateFile, keyFile } = authority.issue({ name: '/CN=proxy' });
const limits: Readonly<Record<string, object>> = {
  chat: { 'max-calls-per-second': 25 },
  sessions: { 'max-open-watches': 9 },
};
await using proxy = await startConfigured({
  endpoints: cluster.endpoints.split(','),
  'admin-addr': '127.0.0.1:0',
  'admin-actions': true,
  tenants: tenants.map((name) => ({ name, namespace: `${name}/`, ...limits[name] })),
  listeners: [
    ...tenants.map((tenant, index) => ({ address: `127.0.1.${index + 1}:0`, tenant })),
    {
      ...{ address: '127.0.2.1:0', tenant: 'lobby' },
      ...{ 'cert-file': certificateFile, 'key-file': keyFile },
    },
  ],
});
const clients = proxy.addresses.slice(0, tenants.length).map((address) => grpcClient(address));
const load = new Load(clients);
const open = `http://${proxy.adminAddress}/breakers/payments/write?state=open`;
await fetch(open, { method: 'POST', headers: { 'content-type': 'application/json' } });

const browser = await launch(chromium);
const pages = await Promise.all(
  (['light', 'dark'] as const).map(async (scheme) => {
    const viewport = { width: 1360, height: 820 };
    const page = await browser.newPage({ viewport, colorScheme: scheme });
    await page.goto(`http://${proxy.adminAddress}/`);
    return { scheme, page };
  }),
);
await sleep(historyMs);
for (const { scheme, page } of pages) {
  await shoot(page, `tenants-${scheme}`);
  await page.getByRole('button', { name: 'payments' }).click();
  await sleep(1_500);
  await shoot(page, `tenant-${scheme}`);
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Cluster' }).click();
  await sleep(2_500);
  await shoot(page, `cluster-${scheme}`);
}
await browser.close();
await load.stop();
for (const client of clients) client[Symbol.dispose]();
