/**
 * Measures the memory of open watches without events. Every round starts new processes, because a process keeps the pages
 * that it once used, and a second round in the same process would measure the first.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Measured, MeasureOptions } from './measure-load.ts';
import { readMemory } from './proc.ts';
import { type Sample, sampleOf, type TargetName, type WatchCase } from './scenario.ts';
import { rotated } from './statistics.ts';
import { type Target, World } from './world.ts';

const program = fileURLToPath(new URL('./idle-watches.ts', import.meta.url));
/** Long enough for garbage collection that runs in an idle process. */
const settleMs = 3000;

/** Rejects when a target does not confirm every watch, or does not keep one. */
export async function measureWatches(
  subject: WatchCase,
  options: MeasureOptions,
): Promise<Measured> {
  const samples: Partial<Record<TargetName, Sample[]>> = {};
  const absent = new Map<TargetName, string>();
  for (let round = 0; round < options.rounds; round += 1) {
    await using world = await World.start(options.names, options.isTls, options.processes);
    for (const target of rotated(world.targets, round)) {
      const ofTarget = samples[target.name] ?? [];
      samples[target.name] = ofTarget;
      ofTarget.push(await sampleOnce(world, target, subject));
    }
    for (const [name, reason] of world.absent) {
      absent.set(name, reason);
    }
  }
  return { case: subject, samples, absent };
}

async function sampleOnce(world: World, target: Target, subject: WatchCase): Promise<Sample> {
  const holder = world.processes.spawnTalking(process.execPath, [
    program,
    target.origin,
    String(subject.connections),
    target.keyPrefix,
    subject.keys,
  ]);
  if (holder.stdout === null) {
    throw new Error('the holder of the watches has no standard output');
  }
  const ended = once(holder, 'exit').then(([code]) => {
    throw new Error(`${target.name} did not keep ${subject.name}: their holder ended with ${code}`);
  });
  await Promise.race([once(holder.stdout, 'data'), ended]);
  await Promise.race([sleep(settleMs), ended]);
  const memory = readMemory(target.pid);
  ended.catch(() => {
    // From here on the benchmark ends the process itself.
  });
  await world.processes.kill(holder);
  return sampleOf(memory);
}
