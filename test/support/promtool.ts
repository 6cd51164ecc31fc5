/**
 * promtool, which checks and tests alerts: taken from the PATH, unpacked from Debian's package into the user's cache, or built
 * by Go. Null if none of these is possible: tests that need it are skipped then.
 */
import { spawnSync } from 'node:child_process';
import { debianFile, goProgram, isProgram } from './cached-programs.ts';

const version = 'v0.300.1';

export const promtool: string | null = (await isProgram('promtool', ['--version']))
  ? 'promtool'
  : ((await debianFile(['prometheus'], 'usr/bin/promtool')) ??
    (await goProgram(
      'promtool',
      `github.com/prometheus/prometheus/cmd/promtool@${version}`,
      version,
    )));

export function runPromtool(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(promtool ?? 'promtool', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}
