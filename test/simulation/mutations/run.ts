/** Runs the simulation against a copy of the source with a deliberate break. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutation } from './list.ts';

const root = new URL('../../..', import.meta.url).pathname;
/** A break may also make the hub loop. */
const timeoutMs = 120_000;

export interface MutationResult {
  readonly isCaught: boolean;
  readonly output: string;
}

/** Runs up to `scenarios` scenarios. The break is caught if one of them violates an invariant. */
export async function runMutation(
  mutation: Mutation,
  scenarios: number,
  seed: number,
): Promise<MutationResult> {
  const copy = mkdtempSync(join(tmpdir(), 'simulation-'));
  try {
    for (const path of ['src', 'test/simulation', 'test/support/seeded.ts', 'package.json']) {
      cpSync(join(root, path), join(copy, path), { recursive: true });
    }
    for (const { file, from, to } of mutation.replacements) {
      const path = join(copy, 'src/watch', file);
      const source = readFileSync(path, 'utf8');
      if (source.split(from).length !== 2) throw new Error(`${file} must have once: ${from}`);
      writeFileSync(
        path,
        source.replace(from, () => to),
      );
    }
    return await simulate(copy, scenarios, seed);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function simulate(directory: string, scenarios: number, seed: number): Promise<MutationResult> {
  return new Promise((resolve, reject) => {
    const args = ['test/simulation/main.ts', `${scenarios}`, `${seed}`];
    const child = spawn(process.execPath, args, { cwd: directory, timeout: timeoutMs });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const isCaught = signal !== null || (code === 1 && output.includes(' violates:'));
      resolve({ isCaught, output });
    });
  });
}
