/**
 * The input of an import, which is read more than once: first to verify all of it, then to import it. Standard input, and files
 * that are not regular, are first copied to a temporary file, which has no name and disappears with the process.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const readBytes = 1 << 20;

export class Input implements AsyncDisposable {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** `-` is standard input. Rejects with the system's error. */
  static async open(path: string): Promise<Input> {
    if (path === '-') return Input.#spool(process.stdin);
    const handle = await open(path, 'r');
    if ((await handle.stat()).isFile()) return new Input(handle);
    return Input.#spool(handle.createReadStream());
  }

  /** All bytes, from the beginning. */
  async *read(): AsyncGenerator<Uint8Array, void> {
    for (let at = 0; ; ) {
      const buffer = Buffer.allocUnsafeSlow(readBytes);
      const { bytesRead } = await this.#handle.read(buffer, 0, readBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  static async #spool(source: AsyncIterable<Uint8Array>): Promise<Input> {
    const path = join(tmpdir(), `etcd-bulkhead-import-${randomBytes(8).toString('hex')}`);
    const handle = await open(path, 'wx+', 0o600);
    await rm(path);
    try {
      for await (const bytes of source) await handle.appendFile(bytes);
      return new Input(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}
