/**
 * `npm run bench -- dashboard`: what an open dashboard costs the proxy. All tenants have had calls in the last minute. Rounds
 * without and with a reader that requests what the page requests, as often as the page does, alternate.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from '../src/cli/free-port.ts';
import { describeEnvironment } from './environment.ts';
import { GrpcClient } from './grpc-client.ts';
import { putRequest } from './messages.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import { Processes } from './processes.ts';
import { median } from './statistics.ts';
import { formatFigure, renderTable } from './table.ts';
import { World } from './world.ts';

const usage = `Usage: npm run bench -- dashboard [options]

  --tenants N    tenants of the proxy (default 1000); the first 2,000 of them have calls
  --rounds N     rounds without and with the reader (default 5)
  --seconds S    length of a round (default 20)
  --save         write to bench/results/, to be committed, instead of bench/results/local/
`;

/** Share of a core. */
const limit = 0.01;
const servedMax = 2_000;
const callsPerTenant = 20;
const clientsAtOnce = 50;
/** Waits for what the calls have left behind, such as closing connections. */
const settleMs = 2_000;
const putPath = '/etcdserverpb.KV/Put';
const repository = fileURLToPath(new URL('..', import.meta.url));

/** What the page requests, and how often. */
function requestsOf(tenants: number): readonly (readonly [path: string, intervalMs: number])[] {
  return [
    ['/tenantz?max-age=900', 1_000 * Math.max(Math.ceil(tenants / 2_000), 1)],
    ['/upstreamz', 2_000],
    ['/drainz', 2_000],
    ['/configz', 30_000],
  ];
}

/** Tenants are told apart by the loopback address that their clients connect to. */
function hostOf(tenant: number): string {
  return `127.1.${tenant >> 8}.${tenant & 255}`;
}

function configuration(tenants: number, port: number, adminPort: number, etcd: string): string {
  const served = Math.min(tenants, servedMax);
  return JSON.stringify({
    endpoints: [etcd],
    'admin-addr': `127.0.0.1:${adminPort}`,
    'log-level': 'warn',
    tenants: Array.from({ length: tenants }, (_, index) => ({
      name: `tenant-${index}`,
      namespace: `tenant-${index}/`,
    })),
    listeners: Array.from({ length: served }, (_, index) => ({
      address: `${hostOf(index)}:${port}`,
      tenant: `tenant-${index}`,
    })),
  });
}

async function callEachTenant(tenants: number, port: number): Promise<void> {
  const served = Math.min(tenants, servedMax);
  const value = Buffer.alloc(256, 'v');
  for (let first = 0; first < served; first += clientsAtOnce) {
    const count = Math.min(clientsAtOnce, served - first);
    await Promise.all(
      Array.from({ length: count }, async (_, offset) => {
        using client = new GrpcClient(`http://${hostOf(first + offset)}:${port}`, null);
        for (let i = 0; i < callsPerTenant; i++) {
          await client.unary(putPath, putRequest(`key-${i % 5}`, value));
        }
      }),
    );
  }
}

/** Requests the pages until the returned function is called. */
function read(origin: string, tenants: number) {
  const ended = new AbortController();
  let bytes = 0;
  const loops = requestsOf(tenants).map(async ([path, intervalMs]) => {
    while (!ended.signal.aborted) {
      const response = await fetch(`${origin}${path}`);
      const { byteLength } = await response.arrayBuffer();
      if (path.startsWith('/tenantz')) bytes = byteLength;
      await sleep(intervalMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  });
  return async () => {
    ended.abort();
    await Promise.all(loops);
    return bytes;
  };
}

/** Resolves to the exit code: 1 if the bar for 1,000 tenants is missed. */
export async function dashboard(args: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      tenants: { ...text, default: '1000' },
      rounds: { ...text, default: '5' },
      seconds: { ...text, default: '20' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [tenants, rounds, seconds] = [values.tenants, values.rounds, values.seconds].map(Number);
  if (values.help || !tenants || !rounds || !seconds) {
    console.log(usage);
    return values.help ? 0 : 64;
  }
  await using processes = new Processes();
  processes.killAtExit();
  await processes.run('npm', ['run', 'build'], repository);
  const environment = await describeEnvironment(processes);
  await using world = await World.start([], false, processes);
  const [port, adminPort] = [await freePort(0), await freePort(0)];
  const configFile = processes.newFile('dashboard.json');
  writeFileSync(configFile, configuration(tenants, port, adminPort, world.etcd.origin));
  const program = [`${repository}dist/main.js`, 'run', `--config=${configFile}`];
  const { pid } = await processes.start('proxy', process.execPath, program, adminPort);
  const origin = `http://127.0.0.1:${adminPort}`;

  /** The share of a core that the proxy uses. */
  const round = async (isOpen: boolean) => {
    await callEachTenant(tenants, port);
    await sleep(settleMs);
    const stop = isOpen ? read(origin, tenants) : null;
    const before = readCpu(pid);
    const startedMs = performance.now();
    await sleep(seconds * 1_000);
    const elapsedMs = performance.now() - startedMs;
    const share = cpuBetweenNs(before, readCpu(pid)) / 1e6 / elapsedMs;
    return { share, bytes: (await stop?.()) ?? 0 };
  };
  const samples: { closed: number; open: number; bytes: number }[] = [];
  await round(true);
  for (let i = 0; i < rounds; i++) {
    const closed = await round(false);
    const open = await round(true);
    samples.push({ closed: closed.share, open: open.share, bytes: open.bytes });
  }
  const result = {
    tenants,
    closed: median(samples.map(({ closed }) => closed)),
    open: median(samples.map(({ open }) => open)),
    added: median(samples.map(({ closed, open }) => open - closed)),
    bytes: median(samples.map(({ bytes }) => bytes)),
    ...readMemory(pid),
  };
  const percent = (share: number) => formatFigure(100 * share);
  console.log(
    renderTable(
      [`${tenants} tenants`, 'closed, CPU %', 'open, CPU %', 'added', '/tenantz KiB', 'RSS MiB'],
      [
        [
          ...['bulkhead-native', percent(result.closed), percent(result.open)],
          ...[percent(result.added), formatFigure(result.bytes / 1024)],
          formatFigure(result.residentMiB),
        ],
      ],
    ),
  );
  const folder = `${repository}bench/results/${values.save ? '' : 'local/'}`;
  mkdirSync(folder, { recursive: true });
  const document = { environment, rounds, seconds, ...result, samples };
  writeFileSync(`${folder}dashboard-${tenants}.json`, `${JSON.stringify(document, null, 2)}\n`);
  return tenants <= 1_000 && result.added > limit ? 1 : 0;
}
