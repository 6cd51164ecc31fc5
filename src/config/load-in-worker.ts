/**
 * Loading a configuration without stopping everything else: a long file is read in a worker thread. What the YAML of ten
 * thousand tenants takes to read, about half a second and 150 MB, no call has to wait for, and the memory is given back.
 */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ConfigFile, FileText } from './file.ts';
import { type ConfigSources, fileTextOf, type LoadResult, loadConfig } from './load.ts';

/** Shorter ones are read before a thread would have been started. */
const asideBytesMin = 64 << 10;

/** Little room for what is young: it would grow to many times of what lives, and is given back only after a while. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 } as const;

/** Rejects only when the worker cannot be run at all. */
export async function loadConfigInWorker(sources: ConfigSources): Promise<LoadResult> {
  const file = fileTextOf(sources);
  if (file === null || file.text.length < asideBytesMin) return loadConfig(sources);
  return loadConfig({ ...sources, file: await readAside(file) });
}

async function readAside(file: FileText): Promise<ConfigFile> {
  // Built it is JavaScript, unbuilt it is not; both stand beside this file.
  const path = `./config-file-worker${extname(import.meta.filename)}`;
  const worker = new Worker(new URL(path, import.meta.url), { workerData: file, resourceLimits });
  try {
    const [read] = (await once(worker, 'message')) as [ConfigFile];
    return read;
  } finally {
    await worker.terminate();
  }
}
