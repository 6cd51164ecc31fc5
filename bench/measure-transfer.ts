/**
 * Measures commands that transfer keys, from the start of their process to its end. CPU and memory are those of the last
 * reading before the end, a few milliseconds earlier.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { GrpcClient } from './grpc-client.ts';
import type { Measured, MeasureOptions } from './measure-load.ts';
import { putRequest } from './messages.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import { type Sample, sampleOf, type TargetName, type TransferCase } from './scenario.ts';
import { rotated } from './statistics.ts';
import { World } from './world.ts';

const entry = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** The same flags as in the image and the command's first line. */
const nodeFlags = ['--max-semi-space-size=8', '--single-threaded-gc', '--no-maglev'];
const readEveryMs = 5;

/** Rejects if a command fails or does not transfer every key. */
export async function measureTransfer(
  subject: TransferCase,
  options: MeasureOptions,
): Promise<Measured> {
  await using world = await World.start(['etcd'], options.isTls, options.processes);
  const endpoints = `--endpoints=${new URL(world.etcd.origin).host}`;
  const file = world.processes.newFile('bench.ebx');
  await seed(world, endpoints, file, subject);
  const contenders = options.names.filter(
    (name) => commands[name]?.[subject.operation] !== undefined,
  );
  const samples: Partial<Record<TargetName, Sample[]>> = {};
  for (const name of contenders) samples[name] = [];
  // The first round fills the caches of files.
  for (let round = -1; round < options.rounds; round += 1) {
    for (const name of rotated(contenders, Math.max(0, round))) {
      const output = world.processes.newFile(name);
      const into = `--namespace=import-${round + 1}/`;
      const command =
        commands[name]?.[subject.operation]?.({ endpoints, file, output, into }) ?? [];
      const before = readCpu(world.etcd.pid);
      const sample = await sampleOnce(command, output, subject);
      const etcdCpuNs = cpuBetweenNs(before, readCpu(world.etcd.pid));
      if (round >= 0)
        samples[name]?.push({ ...sample, etcdCpuUs: etcdCpuNs / 1000 / subject.keys });
    }
  }
  return { case: subject, samples, absent: new Map() };
}

interface Paths {
  readonly endpoints: string;
  readonly file: string;
  readonly output: string;
  readonly into: string;
}

type Commands = Partial<Record<TransferCase['operation'], (paths: Paths) => readonly string[]>>;

const commands: Partial<Record<TargetName, Commands>> = {
  etcd: { export: ({ endpoints }) => ['etcdctl', endpoints, 'get', 'bench/', '--prefix'] },
  'bulkhead-native': {
    export: ({ endpoints, output }) => [
      ...[process.execPath, ...nodeFlags, entry, 'export', endpoints],
      ...['--namespace=bench/', `--output=${output}.ebx`],
    ],
    import: ({ endpoints, file, into }) => [
      ...[process.execPath, ...nodeFlags, entry, 'import', endpoints, into, `--input=${file}`],
    ],
  },
};

/** Random values, which cannot be compressed. They are put one by one, exported, and so available for imports. */
async function seed(
  world: World,
  endpoints: string,
  file: string,
  { keys, valueBytes }: TransferCase,
): Promise<void> {
  using client: GrpcClient = world.client(world.etcd);
  const inFlight = 200;
  for (let at = 0; at < keys; at += inFlight) {
    await Promise.all(
      Array.from({ length: Math.min(inFlight, keys - at) }, (_, i) => {
        const key = `bench/${String(at + i).padStart(8, '0')}`;
        return client.unary('/etcdserverpb.KV/Put', putRequest(key, randomBytes(valueBytes)));
      }),
    );
  }
  const args = [...nodeFlags, entry, 'export', endpoints, '--namespace=bench/', `--output=${file}`];
  const report = await world.processes.run(process.execPath, args);
  if (!report.includes(`exported ${keys} keys`)) throw new Error(`the seed failed: ${report}`);
}

async function sampleOnce(
  [command = '', ...args]: readonly string[],
  output: string,
  { keys, valueBytes, operation }: TransferCase,
): Promise<Sample> {
  const out = openSync(output, 'w');
  const startedMs = performance.now();
  const env = { PATH: process.env['PATH'], ETCDCTL_API: '3' };
  const child = spawn(command, args, { stdio: ['ignore', out, 'inherit'], env });
  const closed = once(child, 'close');
  let cpuNs = 0;
  let memory = { residentMiB: 0, peakMiB: 0 };
  let endedMs = 0;
  closed.then(
    () => {
      endedMs = performance.now();
    },
    () => {},
  );
  while (endedMs === 0) {
    try {
      cpuNs = readCpu(child.pid ?? 0).statNs;
      memory = readMemory(child.pid ?? 0);
    } catch {
      // It has just ended.
    }
    await Promise.race([closed, sleep(readEveryMs)]);
  }
  const [code] = await closed;
  closeSync(out);
  const bytes =
    statSync(output).size + (statSync(`${output}.ebx`, { throwIfNoEntry: false })?.size ?? 0);
  if (code !== 0 || (operation === 'export' && bytes < keys * valueBytes)) {
    throw new Error(`${command} ended with ${code} and wrote ${bytes} bytes`);
  }
  return sampleOf({
    cpuUs: cpuNs / 1000 / keys,
    perSecond: (keys * 1000) / (endedMs - startedMs),
    ...memory,
  });
}
