/** Runs the simulation against a copy of the source with a deliberate break. */
import { spawn } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import type { Mutation } from './list.ts';

const root = new URL('../../..', import.meta.url).pathname;

/**
 * - caught: a scenario violated an invariant.
 * - missed: no scenario did.
 * - timed out: the run was ended early. The break may have made the hub loop, but the machine may just be slow.
 * - crashed: the run ended without a verdict, for example because the copy does not load.
 */
export type MutationOutcome = 'caught' | 'missed' | 'timed out' | 'crashed';

export interface MutationResult {
  readonly outcome: MutationOutcome;
  readonly output: string;
}

export interface MutationOptions {
  readonly scenariosMax: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

export async function runMutation(
  mutation: Mutation,
  options: MutationOptions,
): Promise<MutationResult> {
  using copy = new TemporaryDirectory('simulation');
  for (const path of ['src', 'test/simulation', 'test/support/seeded.ts', 'package.json']) {
    cpSync(join(root, path), join(copy.path, path), { recursive: true });
  }
  for (const { file, from, to } of mutation.replacements) {
    const path = join(copy.path, 'src', file);
    const source = readFileSync(path, 'utf8');
    if (source.split(from).length !== 2) throw new Error(`${file} must have once: ${from}`);
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
  }
  return await simulate(copy.path, options);
}

function simulate(
  directory: string,
  { scenariosMax, seed, timeoutMs }: MutationOptions,
): Promise<MutationResult> {
  return new Promise((resolve, reject) => {
    const args = ['test/simulation/main.ts', `${scenariosMax}`, `${seed}`];
    const child = spawn(process.execPath, args, { cwd: directory, timeout: timeoutMs });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      // Only the timeout kills this process.
      if (child.killed) resolve({ outcome: 'timed out', output });
      else if (code === 0) resolve({ outcome: 'missed', output });
      else if (code === 1 && output.includes(' violates:')) resolve({ outcome: 'caught', output });
      else resolve({ outcome: 'crashed', output });
    });
  });
}
