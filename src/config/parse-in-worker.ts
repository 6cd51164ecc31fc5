/**
 * Parses a configuration file without blocking the event loop: a large one in a worker thread. The YAML of ten thousand
 * tenants takes about half a second and 150 MB, which the process gets back when the worker ends.
 */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ConfigFile, type FileText, readConfigFile } from './file.ts';

/** Parsing a shorter file takes less time than starting a worker. */
const workerBytesMin = 64 << 10;

/** The default young generation would grow to many times the live data, and is returned to the system late. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 } as const;

/** Never rejects. Returns the error of a worker that cannot be run, for example for lack of memory. */
export async function parseInWorker(file: FileText): Promise<ConfigFile | Error> {
  if (file.text.length < workerBytesMin) return readConfigFile(file);
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
