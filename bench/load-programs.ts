/** Starts the load programs. */
import { fileURLToPath } from 'node:url';
import { Program } from './load/program.ts';
import type { PutCommands } from './load/puts.ts';
import type { WatcherCommands } from './load/watchers.ts';

export type WatcherProgram = Program<WatcherCommands>;

const watchers = fileURLToPath(new URL('./load/watchers.ts', import.meta.url));
const puts = fileURLToPath(new URL('./load/puts.ts', import.meta.url));

export function startWatchers(): WatcherProgram {
  return new Program<WatcherCommands>(watchers);
}

export function startPuts(): Program<PutCommands> {
  return new Program<PutCommands>(puts);
}
