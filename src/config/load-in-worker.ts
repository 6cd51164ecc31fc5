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

/** Never rejects. Reads the file once, because a pipe can be read only once. */
export async function loadConfigInWorker(sources: ConfigSources): Promise<LoadResult> {
  const file = sources.file ?? fileTextOf(sources);
  // There is no file, or it cannot be read, which loadConfig reports.
  if (file === null) return loadConfig(sources);
  const isLarge = 'text' in file && file.text.length >= workerBytesMin;
  if (!isLarge) return loadConfig({ ...sources, file });
  const parsed = await readInWorker(file);
  if (!(parsed instanceof Error)) return loadConfig({ ...sources, file: parsed });
  const problem = { where: file.name, what: `cannot be parsed: ${parsed.message}` };
  return { config: null, settings: null, problems: [problem], files: [file.name] };
}

/** Returns the error of a worker that cannot be run, for example for lack of memory. */
async function readInWorker(file: FileText): Promise<ConfigFile | Error> {
  // The worker is a .ts file when run from source and a .js file when compiled, in the same folder as this file.
  const path = `./config-file-worker${extname(import.meta.filename)}`;
  let worker: Worker | null = null;
  try {
    worker = new Worker(new URL(path, import.meta.url), { workerData: file, resourceLimits });
    const [read] = (await once(worker, 'message')) as [ConfigFile];
    return read;
  } catch (error) {
    return error as Error;
  } finally {
    await worker?.terminate();
  }
}
