/**
 * Where an export is written to. A file is written under a temporary name in its folder, synced and renamed, so that under its
 * own name there is only a complete file. Standard output, and files that are not regular, are written directly.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes what was written permanent, under its own name. */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** `-` is standard output. Rejects with the system's error. */
export async function openSink(path: string): Promise<Sink> {
  if (path === '-') return new StreamSink(process.stdout);
  const present = await stat(path).catch(() => null);
  if (present !== null && !present.isFile()) return DirectSink.open(path);
  return FileSink.open(path);
}

/** The file may hold secrets of the applications. */
const fileMode = 0o600;

class FileSink implements Sink {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  #isOpen = true;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async open(path: string): Promise<FileSink> {
    const suffix = randomBytes(4).toString('hex');
    const temporary = join(dirname(path), `.${basename(path)}.${suffix}.partial`);
    return new FileSink(path, temporary, await open(temporary, 'wx', fileMode));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes);
  }

  async commit(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#temporary, this.#path);
    this.#isOpen = false;
    await syncFolder(dirname(this.#path));
  }

  async discard(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close().catch(() => {});
    await rm(this.#temporary, { force: true });
  }
}

/** The new name is permanent only when the folder is. Some file systems cannot sync a folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** A pipe or a device. */
class DirectSink implements Sink {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(path: string): Promise<DirectSink> {
    return new DirectSink(await open(path, 'w'));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes);
  }

  async commit(): Promise<void> {
    await this.#handle.close();
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {});
  }
}

class StreamSink implements Sink {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    // A closed pipe is reported by the write.
    stream.on('error', () => {});
  }

  write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    return promise;
  }

  async commit(): Promise<void> {}

  async discard(): Promise<void> {}
}

/** A write may accept only a part. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}
