/**
 * Loads a configuration without blocking the event loop: a large file is parsed in a worker thread. The YAML of ten
 * thousand tenants takes about half a second and 150 MB, which the process gets back when the worker ends.
 */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ConfigFile, FileText } from './file.ts';
import { type ConfigSources, fileTextOf, type LoadResult, loadConfig } from './load.ts';

/** Parsing a shorter file takes less time than starting a worker. */
const workerBytesMin = 64 << 10;

/** The default young generation would grow to many times the live data, and is returned to the system late. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 } as const;

/** Rejects only if the worker cannot be run. */
export async function loadConfigInWorker(sources: ConfigSources): Promise<LoadResult> {
  const file = fileTextOf(sources);
  if (file === null || file.text.length < workerBytesMin) return loadConfig(sources);
  return loadConfig({ ...sources, file: await readInWorker(file) });
}

async function readInWorker(file: FileText): Promise<ConfigFile> {
  // The worker is a .ts file when run from source and a .js file when compiled, in the same folder as this file.
  const path = `./config-file-worker${extname(import.meta.filename)}`;
  const worker = new Worker(new URL(path, import.meta.url), { workerData: file, resourceLimits });
  try {
    const [read] = (await once(worker, 'message')) as [ConfigFile];
    return read;
  } finally {
    await worker.terminate();
  }
}
