/** Runs a command and everything that it starts as one group of processes, none of which is left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { atExit } from './at-exit.ts';

export interface GroupOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The group is killed after this time. */
  readonly withinMs: number;
}

export interface GroupResult {
  /** Of the first process. Null if it was killed. */
  readonly code: number | null;
  /** Standard output and standard error of all processes, until the end of the first one. */
  readonly printed: string;
}

/** Resolves when the first process has ended. The others are killed then. */
export async function runGroup(
  command: string,
  args: readonly string[],
  { withinMs, ...options }: GroupOptions,
): Promise<GroupResult> {
  const child = spawn(command, args, {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // All processes of the group have ended.
    }
  };
  const unregister = atExit(kill);
  const timer = setTimeout(kill, withinMs);
  let printed = '';
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  kill();
  unregister();
  return { code, printed };
}
