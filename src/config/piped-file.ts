/**
 * A configuration file that is a pipe, as in `--config <(command)`. It can be read only once, so it is read before the first
 * load, and every reload has the same text. The other files of a configuration must not be pipes.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { systemClock } from '../runtime/clock.ts';
import type { FileText } from './file.ts';
import type { ConfigSources } from './load.ts';
import type { Problem } from './problem.ts';
import { fileBytesMax } from './regular-file.ts';
import { environmentName } from './schema.ts';

/** The command that writes to the pipe may have to fetch the text. */
const pipeTimeoutMs = 30_000;
const pollMs = 20;

/** Never rejects. Returns the sources unchanged if the configuration file is not a pipe. */
export async function withPipedFile(
  sources: ConfigSources,
  timeoutMs = pipeTimeoutMs,
): Promise<ConfigSources | Problem> {
  const { flags, environment, file } = sources;
  const path = flags.get('config')?.texts.at(-1) ?? environment[environmentName('config')] ?? '';
  if (file !== undefined || !(await isPipe(path))) return sources;
  try {
    return { ...sources, file: await readPipe(path, timeoutMs) };
  } catch (error) {
    const where = flags.get('config')?.where ?? environmentName('config');
    return { where, what: `cannot be read: ${(error as Error).message}` };
  }
}

async function isPipe(path: string): Promise<boolean> {
  return path !== '' && (await stat(path).catch(() => null))?.isFIFO() === true;
}

/** Polls, because a read that waits for data would occupy a thread and keep the process from exiting. */
async function readPipe(path: string, timeoutMs: number): Promise<FileText> {
  const pipe = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for (const untilMs = systemClock.nowMs() + timeoutMs; systemClock.nowMs() < untilMs; ) {
      const part = await available(pipe);
      if (part?.length === 0 && length > 0) {
        return { name: path, text: Buffer.concat(parts).toString() };
      }
      if (part === null || part.length === 0) await new Promise<void>(wait);
      else parts.push(part);
      length += part?.length ?? 0;
      if (length > fileBytesMax) throw new Error(`larger than ${fileBytesMax >> 20} MiB`);
    }
    throw new Error(`the pipe was not written and closed within ${timeoutMs / 1_000} s`);
  } finally {
    await pipe.close();
  }
}

function wait(resolve: () => void): void {
  systemClock.after(pollMs, resolve);
}

/** Returns null if no data has arrived yet. Empty: all writers have closed the pipe, or none has opened it yet. */
async function available(pipe: FileHandle): Promise<Buffer | null> {
  try {
    const { buffer, bytesRead } = await pipe.read();
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}
