/** The environment of a result: machine, kernel, versions, date, commit. */
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Processes } from './processes.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));

/** The first line that a command prints, or null if it is not installed. */
async function firstLine(
  processes: Processes,
  command: string,
  ...args: string[]
): Promise<string | null> {
  try {
    return (await processes.run(command, args, repository)).split('\n')[0]?.trim() ?? null;
  } catch {
    return null;
  }
}

export async function describeEnvironment(processes: Processes) {
  const changes = await firstLine(processes, 'git', 'status', '--porcelain');
  const commit = await firstLine(processes, 'git', 'rev-parse', '--short=12', 'HEAD');
  return {
    date: new Date().toISOString(),
    commit: commit === null ? null : commit + (changes === '' ? '' : ' with local changes'),
    cpu: cpus()[0]?.model.trim() ?? null,
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    etcd: await firstLine(processes, 'etcd', '--version'),
    haproxy: await firstLine(processes, 'haproxy', '-v'),
    h2load: await firstLine(processes, 'h2load', '--version'),
  };
}

export type Environment = Awaited<ReturnType<typeof describeEnvironment>>;
