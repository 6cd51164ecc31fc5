/** Starts the load programs. */
import { fileURLToPath } from 'node:url';
import type { FleetCommands } from './load/fleet.ts';
import type { ListCommands } from './load/lists.ts';
import { Program } from './load/program.ts';
import type { PutCommands } from './load/puts.ts';
import type { WatcherCommands } from './load/watchers.ts';

export type WatcherProgram = Program<WatcherCommands>;

const watchers = fileURLToPath(new URL('./load/watchers.ts', import.meta.url));
const puts = fileURLToPath(new URL('./load/puts.ts', import.meta.url));
const fleet = fileURLToPath(new URL('./load/fleet.ts', import.meta.url));
const lists = fileURLToPath(new URL('./load/lists.ts', import.meta.url));

export function startFleet(): Program<FleetCommands> {
  return new Program<FleetCommands>(fleet);
}

export function startWatchers(): WatcherProgram {
  return new Program<WatcherCommands>(watchers);
}

export function startPuts(): Program<PutCommands> {
  return new Program<PutCommands>(puts);
}

export function startLists(): Program<ListCommands> {
  return new Program<ListCommands>(lists);
}
